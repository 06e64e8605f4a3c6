#include "domain/data/put.h"

#include <gtest/gtest.h>

#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

using PutTest = ProjectTest;

TEST_F(PutTest, AFileIsTheVersionThatAddWouldRecord) {
  const auto outside = root_.parent_path() / (root_.filename().string() + "-outside.csv");
  write("a.csv", "x\n1\n");
  std::filesystem::copy_file(at("a.csv"), outside);
  const Result<Version> put_there = put(repository().cache(), outside);
  std::filesystem::remove(outside);
  ASSERT_TRUE(put_there.ok()) << put_there.error().message;
  EXPECT_EQ(put_there->md5, version_of("x\n1\n").md5);
  EXPECT_EQ(put_there->size, 4);
  EXPECT_TRUE(repository().cache().has(put_there->md5));
  EXPECT_EQ(mode_of(repository().cache().object_path(put_there->md5)) & 0777, 0444u);
}

TEST_F(PutTest, AFolderIsTheTreeThatAddWouldRecord) {
  write("data/b.csv", "2\n");
  write("data/a/c.csv", "1\n");
  write("data/a-b.csv", "3\n");
  const Version expected = saved("data");
  std::filesystem::remove_all(repository().cache().folder());
  reopen();
  const Result<Version> found = put(repository().cache(), at("data"));
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->md5, expected.md5);
  EXPECT_EQ(found->size, expected.size);
  EXPECT_EQ(found->nfiles, 3);
  EXPECT_TRUE(*repository().cache().has_all(*found));
}

TEST_F(PutTest, WhatIsNeitherFileNorFolderIsRefused) {
  write("data/a", "1");
  std::filesystem::create_symlink("/dev/null", at("data/null"));
  EXPECT_EQ(put(repository().cache(), at("data")).error().code, Code::kInvalid);
  EXPECT_FALSE(put(repository().cache(), at("nothing")).ok());
}

}  // namespace
}  // namespace slipway::data
