#include "domain/flows/environment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/ids.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

class Environment : public testing::Test {
 protected:
  Environment() { fs::create_directories(folder_); }
  ~Environment() override { fs::remove_all(folder_); }

  void write(const std::string& name, std::string_view content, unsigned mode = 0644) {
    fs::create_directories((folder_ / name).parent_path());
    ASSERT_TRUE(write_file_quick(folder_ / name, content).ok());
    chmod((folder_ / name).c_str(), mode);
  }
  std::string python(std::string_view command) {
    auto found = python_of(command, folder_, (folder_ / "bin").string());
    if (found.python) return found.python->lexically_relative(folder_).string();
    return found.is_unknown ? "unknown" : "";
  }

  fs::path folder_ = fs::temp_directory_path() / ("slipway-environment-" + random_hex32());
};

TEST_F(Environment, FindsThePythonOfACommand) {
  write("bin/python3", "", 0755);
  write("venv/bin/python", "", 0755);
  write("run.py", "#!/usr/bin/env python3\n", 0755);
  write("run.sh", "#!/bin/sh\n", 0755);
  EXPECT_EQ(python("python3 train.py"), "bin/python3");
  EXPECT_EQ(python("cd x && LR=3 exec 'python3' -m train > log 2>&1"), "bin/python3");
  EXPECT_EQ(python("venv/bin/python train.py"), "venv/bin/python");
  EXPECT_EQ(python("./run.py --fast"), "bin/python3");
  EXPECT_EQ(python("./run.sh"), "unknown");
  EXPECT_EQ(python("python3.99 train.py"), "");
  EXPECT_EQ(python("cat pythonic.txt"), "");
  EXPECT_EQ(python(""), "");
}

TEST_F(Environment, SeesPathAndFolderAsTheShellWill) {
  write("bin/python3", "", 0755);
  write("venv/bin/python3", "", 0755);
  write("venv/bin/activate", "");
  write("venv/pyvenv.cfg", "");
  const std::string venv = (folder_ / "venv/bin").string();
  for (const std::string& command :
       {"PATH=" + venv + ":$PATH python3 t.py",
        "export PATH=\"" + venv + ":${PATH}\"; python3 t.py", "PATH=" + venv + "\npython3 t.py",
        std::string(". venv/bin/activate && python3 t.py"),
        std::string("cd venv && bin/python3 t.py"), "env PATH=" + venv + " python3 t.py"}) {
    EXPECT_EQ(python(command), "venv/bin/python3") << command;
  }
}

TEST_F(Environment, ClaimsNoPythonThatItDoesNotSeeStarted) {
  write("bin/python3", "", 0755);
  write("bin/echo", "", 0755);
  write("bin/python3.9", "#!/bin/sh\nexec pyenv\n", 0755);
  for (const char* command : {"echo \"python3 is not used here\"", "echo python3",
                              "echo a # python3", "echo a > python3", "echo 'a; python3'"}) {
    EXPECT_EQ(python(command), "") << command;
  }
  for (const char* command :
       {"sh wrap.sh python3", "python3.9 t.py", ". ./set-up.sh && python3 t.py", "$PYTHON t.py",
        "echo a || python3 t.py", "if true; then python3 t.py; fi", "eval \"$X\"; python3 t.py",
        "PATH=$HOME/bin python3 t.py", "uv run python3 t.py"}) {
    EXPECT_EQ(python(command), "unknown") << command;
  }
}

TEST_F(Environment, ListsInstalledDistributions) {
  write("site/numpy-2.dist-info/METADATA", "Metadata-Version: 2.1\nName: numpy\nVersion: 2.0.1\n");
  write("site/old.egg-info/PKG-INFO", "Name: old\nVersion: 1\n");
  write("site/broken-1.dist-info/METADATA", "\nName: late\nVersion: 1\n");
  write("site/numpy/__init__.py", "");
  EXPECT_EQ(installed_distributions({folder_ / "site", folder_ / "none"}),
            (std::vector<std::string>{"numpy==2.0.1", "old==1"}));
}

TEST_F(Environment, SeedsAreParametersByThatName) {
  wire::Json params = *wire::parse(
      R"({"params.yaml": {"train.seed": 3, "model": {"random_state": 4, "depth": 5}, "seeds": 6}})");
  EXPECT_EQ(wire::dump(seeds_in(params)),
            R"({"params.yaml:train.seed":3,"params.yaml:model.random_state":4})");
}

TEST_F(Environment, SaysThatAnInterpreterIsNotKnown) {
  Environments environments(std::map<std::string, std::string>{{"PATH", "/nowhere"}});
  DescribedFact fact = environments.describe({"sh run.sh"}, folder_, {});
  EXPECT_EQ(fact.description.find("interpreter")->find("kind")->as_string(), "unknown");
  EXPECT_TRUE(
      environments.describe({"true"}, folder_, {}).description.find("interpreter")->is_null());
}

TEST_F(Environment, EqualOnesHaveOneDigestAndAnotherPackageChangesIt) {
  write("venv/bin/python", "", 0755);
  write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
  write("venv/lib/python3.11/site-packages/a-1.dist-info/METADATA", "Name: a\nVersion: 1\n");
  auto digest = [&] {
    Environments environments(std::map<std::string, std::string>{{"PATH", "/nowhere"}});
    return environments.describe({"venv/bin/python x.py"}, folder_, {});
  };
  DescribedFact first = digest();
  EXPECT_EQ(first.digest, digest().digest);
  const wire::Json* interpreter = first.description.find("interpreter");
  EXPECT_EQ(interpreter->find("version")->as_string(), "3.11.2");
  EXPECT_EQ(interpreter->find("packages")->as_array().size(), 1u);
  write("venv/lib/python3.11/site-packages/b-1.dist-info/METADATA", "Name: b\nVersion: 1\n");
  EXPECT_NE(first.digest, digest().digest);
}

}  // namespace
}  // namespace slipway::flows
