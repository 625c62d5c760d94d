#include "platform/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/faulty_files.h"

namespace {
// The nth next call (from 1) of the named system call fails; 0: none. Counted down by the
// replacements below.
struct Injected {
  std::string_view call;
  int nth = 0;
  int error_number = 0;
  int seen = 0;
};
Injected injected;

bool Fails(std::string_view call) {
  if (injected.call != call) return false;
  if (++injected.seen != injected.nth) return false;
  errno = injected.error_number;
  return true;
}
}  // namespace

// Stand before the C library's functions in this program, so that the real code meets faults
// beneath it.
extern "C" {
int fsync(int fd) {
  if (Fails("fsync")) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
int fchmod(int fd, mode_t mode) noexcept {
  if (Fails("fchmod")) return -1;
  return static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int renameat(int from_dir, const char* from, int to_dir, const char* to) noexcept {
  if (Fails("renameat")) return -1;
  return static_cast<int>(::syscall(SYS_renameat, from_dir, from, to_dir, to));
}
int fchown(int fd, uid_t uid, gid_t gid) noexcept {
  if (Fails("fchown")) return -1;
  return static_cast<int>(::syscall(SYS_fchown, fd, uid, gid));
}
int syncfs(int fd) noexcept {
  if (Fails("syncfs")) return -1;
  return static_cast<int>(::syscall(SYS_syncfs, fd));
}
ssize_t write(int fd, const void* data, size_t size) {
  if (Fails("write")) return -1;
  if (injected.call == "short-write" && size > 1) size = 1;
  return ::syscall(SYS_write, fd, data, size);
}
}

namespace signet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Files : public ::testing::Test {
 protected:
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "signet-files-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
  }
  ~Files() override {
    injected = {};
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::vector<std::string> Names() { return files_->List(folder_).value(); }

  std::string folder_;
  std::unique_ptr<FileSystem> files_ = MakeFileSystem();
};

TEST_F(Files, WriteAtomicReplacesContentAndMode) {
  ::umask(0077);
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "one", 0600));
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "two", 0644));
  EXPECT_EQ(files_->Read(Path("a")).value(), "two");
  const FileInfo info = files_->Info(Path("a")).value();
  EXPECT_EQ(info.mode, 0644u);
  EXPECT_EQ(info.size, 3u);
  EXPECT_EQ(info.type, FileInfo::Type::kRegular);
  EXPECT_THAT(Names(), ElementsAre("a"));
}

TEST_F(Files, WriteAtomicSurvivesShortWrites) {
  injected = {"short-write", 0, 0, 0};
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "some longer content", 0600));
  injected = {};
  EXPECT_EQ(files_->Read(Path("a")).value(), "some longer content");
}

TEST_F(Files, WriteAtomicTakesARelativePath) {
  ASSERT_EQ(::chdir(folder_.c_str()), 0);
  ASSERT_TRUE(files_->WriteAtomic("plain", "x", 0600));
  EXPECT_EQ(files_->Read(Path("plain")).value(), "x");
}

TEST_F(Files, AFaultBeforeTheRenameLeavesTheOldContentAndNoTemporaryFile) {
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "old", 0600));
  for (const std::string_view call : {"write", "fchmod", "fsync", "renameat"}) {
    injected = {call, 1, ENOSPC, 0};
    const Status result = files_->WriteAtomic(Path("a"), "new", 0600);
    const int seen = injected.seen;
    injected = {};
    ASSERT_FALSE(result) << call;
    EXPECT_EQ(result.error().word, "STORAGE_FULL") << call;
    EXPECT_EQ(result.error().origin.value, static_cast<std::uint64_t>(ENOSPC));
    EXPECT_EQ(seen, 1) << call << " was tried again";
    EXPECT_EQ(files_->Read(Path("a")).value(), "old") << call;
    EXPECT_THAT(Names(), ElementsAre("a")) << call;
  }
}

TEST_F(Files, AFailedSyncOfTheDirectoryIsAnErrorAndNotTriedAgain) {
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "old", 0600));
  injected = {"fsync", 2, EIO, 0};
  const Status result = files_->WriteAtomic(Path("a"), "new", 0600);
  EXPECT_EQ(injected.seen, 2);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "IO_FAILED");
  EXPECT_EQ(files_->Read(Path("a")).value(), "new");  // whole, but perhaps not durable
}

TEST_F(Files, SyncsReportTheirFailure) {
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "x", 0600));
  EXPECT_TRUE(files_->SyncFile(Path("a")));
  EXPECT_TRUE(files_->SyncDirectory(folder_));
  EXPECT_FALSE(files_->SyncDirectory(Path("a")));
  injected = {"fsync", 1, EIO, 0};
  EXPECT_FALSE(files_->SyncFile(Path("a")));
  EXPECT_EQ(injected.seen, 1);
}

// ABUSE 106.
TEST_F(Files, SymbolicLinksAreRefused) {
  ASSERT_TRUE(files_->WriteAtomic(Path("target"), "secret", 0600));
  std::filesystem::create_symlink(Path("target"), Path("link"));
  const auto read = files_->Read(Path("link"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, Kind::kRefused);
  EXPECT_EQ(read.error().word, "NOT_A_FILE");
  EXPECT_FALSE(read.error().remedy.empty());
  EXPECT_FALSE(files_->WriteAtomic(Path("link"), "x", 0600));
  EXPECT_EQ(files_->Read(Path("target")).value(), "secret");
  EXPECT_EQ(files_->Info(Path("link")).value().type, FileInfo::Type::kSymlink);
  EXPECT_EQ(CheckOwnFile(*files_, Path("link"), false).error().word, "UNSAFE_FILE");
}

// ABUSE 106.
TEST_F(Files, PipesSocketsAndDirectoriesAreRefusedWithoutWaiting) {
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  for (const std::string& path : {Path("fifo"), Path("socket"), folder_}) {
    const auto read = files_->Read(path);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().word, "NOT_A_FILE") << path;
    EXPECT_FALSE(files_->WriteAtomic(path, "x", 0600));
  }
  EXPECT_EQ(files_->Info(Path("socket")).value().type, FileInfo::Type::kSocket);
  ::close(fd);
}

TEST_F(Files, ReadHasALimit) {
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), std::string(1000, 'x'), 0600));
  EXPECT_EQ(files_->Read(Path("a"), 1000).value().size(), 1000u);
  EXPECT_EQ(files_->Read(Path("a"), 999).error().word, "FILE_TOO_LARGE");
  EXPECT_EQ(files_->Read("/proc/self/status").value().substr(0, 5), "Name:");  // size 0 by stat
  EXPECT_EQ(files_->Read("/proc/self/status", 10).error().word, "FILE_TOO_LARGE");
}

TEST_F(Files, AbsentFilesAreNotFoundButMayBeRemoved) {
  EXPECT_EQ(files_->Read(Path("none")).error().kind, Kind::kNotFound);
  EXPECT_EQ(files_->Read(Path("none")).error().word, "FILE_NOT_FOUND");
  EXPECT_TRUE(files_->Remove(Path("none")));
  EXPECT_TRUE(files_->MakeDirectory(Path("dir"), 0750));
  EXPECT_TRUE(files_->MakeDirectory(Path("dir"), 0750));
  EXPECT_EQ(files_->Info(Path("dir")).value().mode, 0750u);
  ASSERT_TRUE(files_->WriteAtomic(Path("dir/b"), "", 0600));
  ASSERT_TRUE(files_->WriteAtomic(Path("dir/a"), "", 0600));
  EXPECT_THAT(files_->List(Path("dir")).value(), ElementsAre("a", "b"));
  EXPECT_FALSE(files_->Remove(Path("dir")));
  EXPECT_TRUE(files_->Remove(Path("dir/a")));
  EXPECT_TRUE(files_->Remove(Path("dir/b")));
  EXPECT_TRUE(files_->Remove(Path("dir")));
  EXPECT_FALSE(files_->MakeDirectory(Path("x/y"), 0700));
}

// ABUSE 106.
TEST_F(Files, FilesThatOthersMayChangeOrReadAreUnsafe) {
  const auto verdict = [&](mode_t mode, bool secret) {
    EXPECT_EQ(::chmod(Path("a").c_str(), mode), 0);
    return CheckOwnFile(*files_, Path("a"), secret).has_value();
  };
  ASSERT_TRUE(files_->WriteAtomic(Path("a"), "x", 0600));
  EXPECT_TRUE(verdict(0600, true));
  EXPECT_TRUE(verdict(0644, false));
  EXPECT_FALSE(verdict(0644, true));
  EXPECT_FALSE(verdict(0602, false));
  EXPECT_FALSE(verdict(0620, false));
  if (::geteuid() == 0) {
    EXPECT_TRUE(verdict(0440, true));  // group root: a systemd credential
    EXPECT_EQ(::chown(Path("a").c_str(), 0, 12345), 0);
    EXPECT_FALSE(verdict(0440, true));
    EXPECT_EQ(::chown(Path("a").c_str(), 12345, 0), 0);
    EXPECT_FALSE(verdict(0600, false));
  }
  EXPECT_EQ(CheckOwnFile(*files_, Path("none"), true).error().kind, Kind::kNotFound);
}

TEST_F(Files, PathsInErrorsAreEscaped) {
  EXPECT_THAT(files_->Read(Path("a\n\x1b[31m")).error().detail, HasSubstr("a\\x0a\\x1b[31m"));
}

TEST_F(Files, NewFilesHaveTheirOwnerAndModeAndReplaceNothing) {
  ::umask(0077);
  const FileOwner owner{std::nullopt, std::nullopt, 0644};
  ASSERT_TRUE(files_->WriteNew(Path("a"), "one", owner));
  EXPECT_EQ(files_->Info(Path("a")).value().mode, 0644u);
  EXPECT_EQ(files_->Info(Path("a")).value().uid, ::geteuid());
  EXPECT_FALSE(files_->WriteNew(Path("a"), "two", owner));
  std::filesystem::create_symlink(Path("elsewhere"), Path("link"));
  EXPECT_FALSE(files_->WriteNew(Path("link"), "two", owner));
  EXPECT_FALSE(std::filesystem::exists(Path("elsewhere")));
  EXPECT_EQ(files_->Read(Path("a")).value(), "one");
  if (::geteuid() != 0) return;
  ASSERT_TRUE(files_->WriteNew(Path("b"), "x", {12345, 54321, 0640}));
  const FileInfo info = files_->Info(Path("b")).value();
  EXPECT_EQ(info.uid, 12345u);
  EXPECT_EQ(info.gid, 54321u);
  EXPECT_EQ(info.mode, 0640u);
}

TEST_F(Files, AFileThatMayNotBeGivenAwayIsARefusalWithItsRemedy) {
  injected = {"fchown", 1, EPERM, 0};
  const Status result = files_->WriteNew(Path("a"), "x", {12345, 12345, 0640});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "OWNER_REFUSED");
  EXPECT_THAT(result.error().remedy, HasSubstr("CAP_CHOWN"));
}

TEST_F(Files, OwnersOfFoldersAreSetButNotThroughLinks) {
  ASSERT_TRUE(files_->MakeDirectory(Path("dir"), 0700));
  std::filesystem::create_directory_symlink(Path("dir"), Path("link"));
  ASSERT_TRUE(files_->SetOwner(Path("dir"), {std::nullopt, std::nullopt, 0751}));
  EXPECT_EQ(files_->Info(Path("dir")).value().mode, 0751u);
  EXPECT_FALSE(files_->SetOwner(Path("link"), {std::nullopt, std::nullopt, 0777}));
  EXPECT_EQ(files_->Info(Path("dir")).value().mode, 0751u);
}

TEST_F(Files, LinksAreMadeReadAndSwapped) {
  ASSERT_TRUE(files_->MakeLink("generations/1", Path("current")));
  EXPECT_FALSE(files_->MakeLink("generations/2", Path("current")));
  ASSERT_TRUE(files_->MakeLink("generations/2", Path("new")));
  ASSERT_TRUE(files_->Rename(Path("new"), Path("current")));
  EXPECT_EQ(files_->ReadLink(Path("current")).value(), "generations/2");
  EXPECT_THAT(Names(), ElementsAre("current"));
  EXPECT_FALSE(files_->ReadLink(folder_));
}

TEST_F(Files, FoldersAreRenamedOverNothingThatHasContent) {
  for (const char* name : {"from", "full"}) {
    ASSERT_TRUE(files_->MakeDirectory(Path(name), 0700));
    ASSERT_TRUE(files_->WriteAtomic(Path(name) + "/file", name, 0600));
  }
  EXPECT_FALSE(files_->Rename(Path("from"), Path("full")));
  EXPECT_TRUE(files_->Rename(Path("from"), Path("to")));
  EXPECT_EQ(files_->Read(Path("to/file")).value(), "from");
}

TEST_F(Files, AFileGetsASecondNameAndALinkIsNotFollowed) {
  ASSERT_TRUE(files_->WriteNew(Path("a"), "one", {}));
  ASSERT_TRUE(files_->LinkFile(Path("a"), Path("b")));
  EXPECT_EQ(files_->Read(Path("b")).value(), "one");
  EXPECT_TRUE(std::filesystem::equivalent(Path("a"), Path("b")));
  EXPECT_FALSE(files_->LinkFile(Path("a"), Path("b")));
  std::filesystem::create_symlink(Path("a"), Path("link"));
  ASSERT_TRUE(files_->LinkFile(Path("link"), Path("c")));
  EXPECT_EQ(files_->Info(Path("c")).value().type, FileInfo::Type::kSymlink);
}

TEST_F(Files, AFailedSyncOfTheFileSystemIsAnError) {
  EXPECT_TRUE(files_->SyncAll(folder_));
  injected = {"syncfs", 1, EIO, 0};
  EXPECT_FALSE(files_->SyncAll(folder_));
  injected = {};
  std::filesystem::create_directory_symlink(folder_, Path("link"));
  EXPECT_FALSE(files_->SyncAll(Path("link")));
}

TEST_F(Files, FaultPlansFailTheNthCall) {
  testing::FaultyFileSystem faulty(*files_, {{"write_atomic", 2, ENOSPC}});
  EXPECT_TRUE(faulty.WriteAtomic(Path("a"), "1", 0600));
  EXPECT_EQ(faulty.WriteAtomic(Path("a"), "2", 0600).error().word, "STORAGE_FULL");
  EXPECT_EQ(faulty.Read(Path("a"), 100).value(), "1");
  EXPECT_TRUE(faulty.WriteAtomic(Path("a"), "3", 0600));
  EXPECT_THAT(faulty.Calls(), ElementsAre("write_atomic " + Path("a"), "write_atomic " + Path("a"),
                                          "read " + Path("a"), "write_atomic " + Path("a")));

  faulty.Plan({{"write_atomic", 1, EIO, /*after=*/true}});
  EXPECT_FALSE(faulty.WriteAtomic(Path("a"), "4", 0600));
  EXPECT_EQ(faulty.Read(Path("a"), 100).value(), "4");

  faulty.Plan({{"*", 2, EIO, false, /*from_then_on=*/true}});
  EXPECT_TRUE(faulty.SyncDirectory(folder_));
  EXPECT_FALSE(faulty.SyncFile(Path("a")));
  EXPECT_FALSE(faulty.List(folder_));
  EXPECT_FALSE(faulty.Info(folder_));
  EXPECT_FALSE(faulty.Remove(Path("a")));
  EXPECT_FALSE(faulty.MakeDirectory(Path("d"), 0700));
  EXPECT_FALSE(faulty.WriteNew(Path("n"), "", {}));
  EXPECT_FALSE(faulty.SetOwner(folder_, {}));
  EXPECT_FALSE(faulty.MakeLink("a", Path("l")));
  EXPECT_FALSE(faulty.ReadLink(Path("l")));
  EXPECT_FALSE(faulty.Rename(Path("a"), Path("b")));
  EXPECT_FALSE(faulty.LinkFile(Path("a"), Path("b")));
  EXPECT_FALSE(faulty.SyncAll(folder_));
}

}  // namespace
}  // namespace signet
