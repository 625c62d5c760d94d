// ABUSE 87-89: who may stand where the socket is made.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "platform/unix_socket_file.h"
#include "tests/rpc/test_server.h"

namespace signet::rpc {
namespace {

class SocketFile : public ::testing::Test {
 protected:
  SocketFile() {
    std::string name = std::filesystem::temp_directory_path() / "signet-sock-XXXXXX";
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/s";
  }
  ~SocketFile() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::string Word() {
    auto file = UnixSocketFile::Listen(path_, "");
    return file ? "" : file.error().word;
  }
  std::string directory_, path_;
};

TEST_F(SocketFile, IsMadeForUserAndGroupAndRemovedAtTheEnd) {
  {
    auto file = UnixSocketFile::Listen(path_, "");
    ASSERT_TRUE(file);
    struct stat info {};
    ASSERT_EQ(lstat(path_.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777, 0660u);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SocketFile, Abuse88ALinkIsNeitherFollowedNorReplaced) {
  std::ofstream(directory_ + "/target") << "x";
  std::filesystem::create_symlink(directory_ + "/target", path_);
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
}

TEST_F(SocketFile, Abuse88AFileIsNotReplaced) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(SocketFile, Abuse88ADirectoryThatEverybodyWritesIsRefused) {
  chmod(directory_.c_str(), 01777);
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
}

TEST_F(SocketFile, Abuse88ADirectoryOrSocketOfAnotherUserIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make foreign files";
  ASSERT_EQ(chown(directory_.c_str(), 12345, 0), 0);
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
  ASSERT_EQ(chown(directory_.c_str(), 0, 0), 0);
  auto file = UnixSocketFile::Listen(path_, "");
  ASSERT_TRUE(file);
  std::filesystem::rename(path_, path_ + "2");
  ASSERT_EQ(lchown((path_ + "2").c_str(), 12345, 0), 0);
  path_ += "2";
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
}

TEST_F(SocketFile, Abuse88ALockThatIsALinkIsRefused) {
  std::filesystem::create_symlink("/etc/passwd", path_ + ".lock");
  EXPECT_EQ(Word(), "SOCKET_PATH_UNSAFE");
}

TEST_F(SocketFile, AnotherDaemonsSocketIsLeftAlone) {
  auto first = UnixSocketFile::Listen(path_, "");
  ASSERT_TRUE(first);
  EXPECT_EQ(Word(), "SOCKET_IN_USE");
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(SocketFile, ALiveSocketWithoutALockIsLeftAlone) {
  auto first = UnixSocketFile::Listen(path_, "");
  ASSERT_TRUE(first);
  std::filesystem::remove(path_ + ".lock");
  EXPECT_EQ(Word(), "SOCKET_IN_USE");
}

TEST_F(SocketFile, OurStaleSocketIsReplaced) {
  const pid_t child = fork();
  if (child == 0) {
    auto file = UnixSocketFile::Listen(path_, "");
    _exit(file ? 0 : 1);  // as if killed: nothing is cleaned up
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(Word(), "");
}

TEST_F(SocketFile, LongAndEmptyPathsAreUsageErrors) {
  path_ = directory_ + "/" + std::string(120, 'x');
  EXPECT_EQ(Word(), "SOCKET_PATH_INVALID");
  path_.clear();
  EXPECT_EQ(Word(), "SOCKET_PATH_INVALID");
}

TEST_F(SocketFile, UnknownGroupIsAUsageErrorAndLeavesNothing) {
  auto file = UnixSocketFile::Listen(path_, "no-such-group");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().word, "GROUP_UNKNOWN");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace signet::rpc
