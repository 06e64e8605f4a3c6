"""The real dvc, imported once: a fork of this process runs each command. Starting Python and importing takes most of the
time of a command otherwise.

Reads lines of JSON {"arguments", "folder", "environment", "out", "err"} (files for what it prints); answers each with the
exit code.
"""
import importlib
import json
import os
import sys
import traceback

import dvc.cli

MODULES = """
configobj diskcache dulwich.ignore dulwich.index dulwich.repo dulwich.worktree flufl.lock fsspec.implementations.memory networkx
platformdirs psutil pygit2 ruamel.yaml sqltrie zc.lockfile
dvc.cachemgr dvc.cli.parser dvc.compare dvc.config_schema dvc.data_cloud dvc.dirs dvc.dvcfile dvc.ignore dvc.lock dvc.output dvc.parsing
dvc.repo.add dvc.repo.artifacts dvc.repo.checkout dvc.repo.commit dvc.repo.datasets dvc.repo.graph dvc.repo.index dvc.repo.init
dvc.repo.metrics dvc.repo.open_repo dvc.repo.params dvc.repo.plots dvc.repo.reproduce dvc.repo.stage dvc.repo.status dvc.repo.trie
dvc.rwlock dvc.scm dvc.stage.cache dvc.stage.run dvc.utils.serialize dvc.utils.strictyaml
dvc_data.hashfile.build dvc_data.hashfile.db.local dvc_data.hashfile.status dvc_data.index dvc_objects.fs.local
""".split()


def run(request):
    for number, path in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["dvc", *request["arguments"]]
    code = dvc.cli.main(request["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def main():
    for name in MODULES:
        importlib.import_module(name)
    dvc.cli.parser.get_main_parser()  # imports every command
    answers = os.fdopen(os.dup(1), "w")
    for line in os.fdopen(os.dup(0)):
        child = os.fork()
        if child == 0:
            code = 255
            try:
                code = run(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


main()
