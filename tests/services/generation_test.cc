// Generation folders: whole at any instant, never through somebody else's links, old ones as long
// as they are of use. SPEC A5, B4.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <set>

#include "tests/services/publish_world.h"

namespace signet::services {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class GenerationTest : public ::testing::Test, protected PublishWorld {
 protected:
  GenerationTest() {
    InstallSigned("tomcat", "a1b2");
    TrustChain();
  }
  // What a server would read: one generation, whole, its include file with its own key and chain.
  void ExpectWhole(const std::set<std::string>& keys) {
    const std::string folder = fs::canonical(Path("pub/web/current"));
    EXPECT_EQ(testing::RunProgram({"sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"},
                                  {"", folder, {}})
                  .code,
              0)
        << folder;
    const std::string include = testing::ReadWhole(folder + "/nginx/tomcat.conf");
    EXPECT_THAT(include, HasSubstr(folder + "/tomcat.pem"));
    std::string uri = testing::ReadWhole(folder + "/tomcat.uri");
    uri.pop_back();
    EXPECT_THAT(include, HasSubstr("engine:pkcs11:" + uri + "\""));
    const std::size_t at = uri.find("id=%");
    std::string id = uri.substr(at + 3, 6);
    std::erase(id, '%');
    EXPECT_TRUE(keys.contains(id)) << uri;
  }
  void ExpectNothingLeftOver() {
    for (const std::string& name : Generations()) EXPECT_NE(name.front(), '.') << name;
    EXPECT_FALSE(fs::is_symlink(Path("pub/web/.current.new")));
  }
  // Publishes in a process of its own; true when it came to its end.
  bool PublishInChild(const std::string& failpoint, const std::string& log = "") {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!failpoint.empty()) ::setenv("SIGNET_FAILPOINT", failpoint.c_str(), 1);
      if (!log.empty()) ::setenv("SIGNET_FAILPOINT_LOG", log.c_str(), 1);
      ::_exit(Start({Service()})->PublishNow() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
  }
  std::string Refusal() {
    const Status status = Start({Service()})->PublishNow();
    return status ? "published" : status.error().word;
  }
};

TEST_F(GenerationTest, AnErrorAtAnyCallLeavesTheOldGenerationOrTheNewOne) {
  const auto first = Start({Service()});
  ASSERT_TRUE(first->PublishNow());
  const std::string before = Path("pub-before");
  fs::copy(Path("pub"), before, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  InstallSigned("tomcat", "e5f6", "a1b2");
  files.Plan({});
  ASSERT_TRUE(Start({Service()})->PublishNow());
  const int calls = static_cast<int>(files.Calls().size());
  ASSERT_GT(calls, 30);
  int warned = 0;
  // One call fails although it did its work; or from one on all fail, as if the process had died.
  for (const bool for_good : {false, true}) {
    for (int nth = 1; nth <= calls; ++nth) {
      SCOPED_TRACE(std::to_string(nth) + (for_good ? " for good" : ""));
      fs::remove_all(Path("pub"));
      fs::copy(before, Path("pub"), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
      files.Plan({{"*", nth, EIO, !for_good, for_good}});
      const auto publisher = Start({Service()});
      const Status failed = publisher->PublishNow();
      if (!failed) {
        ++warned;
        EXPECT_EQ(publisher->Warnings().at(0).id, "PUBLISH_FAILED");
      }
      ExpectWhole({"a1b2", "e5f6"});
      files.Plan({});
      // The same process tries again, or a new one after a crash.
      const auto next = Start({Service()});
      const auto& again = for_good ? next : publisher;
      ASSERT_TRUE(again->PublishNow());
      EXPECT_THAT(again->Warnings(), IsEmpty());
      ExpectWhole({"e5f6"});
      ExpectNothingLeftOver();
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(warned, calls);
}

TEST_F(GenerationTest, AKillAtAnyStepLeavesAWholeGenerationAndTheNextStartCleansUp) {
  // Five publications, so that old generations are removed, too.
  for (int i = 0; i < 4; ++i) {
    InstallSigned("tomcat", "a00" + std::to_string(i));
    ASSERT_TRUE(PublishInChild(""));
  }
  const std::string before = Path("pub-before");
  fs::copy(Path("pub"), before, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  InstallSigned("tomcat", "e5f6");
  ASSERT_TRUE(PublishInChild("", Path("log")));
  std::ifstream log(Path("log"));
  std::vector<std::string> steps;
  for (std::string step; std::getline(log, step);) steps.push_back(step);
  EXPECT_THAT(steps,
              ElementsAre("publish.begun", "publish.filled", "publish.synced", "publish.renamed",
                          "publish.linked", "publish.swapped", "publish.removed"));
  for (const std::string& step : steps) {
    SCOPED_TRACE(step);
    fs::remove_all(Path("pub"));
    fs::copy(before, Path("pub"), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    ASSERT_FALSE(PublishInChild(step));
    ExpectWhole({"a003", "e5f6"});
    ASSERT_TRUE(PublishInChild(""));
    ExpectWhole({"e5f6"});
    ExpectNothingLeftOver();
    EXPECT_THAT(Generations(), SizeIs(3));
  }
}

TEST_F(GenerationTest, TwoFormerGenerationsStayAndOlderOnesGo) {
  const auto publisher = Start({Service()});
  for (int i = 0; i < 5; ++i) {
    InstallSigned("tomcat", "a00" + std::to_string(i));
    ASSERT_TRUE(publisher->PublishNow());
  }
  EXPECT_THAT(Generations(), ElementsAre("3", "4", "5"));
  EXPECT_EQ(CurrentNumber(), "5");
}

TEST_F(GenerationTest, AChangeDoesNotWaitForOldOnesToBeRemoved) {
  const auto publisher = Start({Service()});
  for (int i = 0; i < 5; ++i) {
    InstallSigned("tomcat", "a00" + std::to_string(i));
    ASSERT_TRUE(publisher->Publish(*state->Now()));
  }
  EXPECT_THAT(Generations(), SizeIs(5));
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(Generations(), ElementsAre("3", "4", "5"));
  files.Plan({});
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(files.Calls(), IsEmpty());
}

TEST_F(GenerationTest, TheLastOneWithAKeyThatIsKeptForARollbackStays) {
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  InstallSigned("tomcat", "e5f6", "a1b2");
  ASSERT_TRUE(publisher->PublishNow());
  for (int i = 0; i < 4; ++i) {
    Trust("tomcat-trust", SelfSigned("peer" + std::to_string(i)), "pinned");
    ASSERT_TRUE(publisher->PublishNow());
  }
  EXPECT_THAT(Generations(), ElementsAre("1", "4", "5", "6"));
  // The former key's time is over.
  keystore::IdentityRecord record = state->Now()->identities.at("tomcat").value;
  record.previous.reset();
  store.Put(store.layout.Identity("tomcat"), json::serialize(ToJson(record)));
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(Generations(), ElementsAre("4", "5", "6"));
}

TEST_F(GenerationTest, ADamagedGenerationIsWrittenAnewAtTheNextStart) {
  const std::vector<std::function<void()>> damages = {
      [&] { fs::remove(Current("tomcat.pem")); },
      [&] { std::ofstream(Current("tomcat-trust.pem"), std::ios::app) << "x"; },
      [&] { fs::permissions(Current("tomcat.uri"), fs::perms(0666)); },
      [&] { fs::permissions(Current("nginx"), fs::perms(0777)); },
      [&] { std::ofstream(Current("SHA256SUMS"), std::ios::trunc); },
      [&] { fs::remove(Current("generation.json")); },
      [&] { fs::remove(Path("pub/web/current")); },
      [&] {
        fs::remove(Path("pub/web/current"));
        fs::create_symlink("generations/77", Path("pub/web/current"));
      },
  };
  ASSERT_TRUE(Start({Service()})->PublishNow());
  std::string last = CurrentNumber();
  for (std::size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE(i);
    damages[i]();
    const auto publisher = Start({Service()});
    ASSERT_TRUE(publisher->PublishNow());
    EXPECT_NE(CurrentNumber(), last);
    // Of one that lost its list nobody can say which files are ours.
    for (const Finding& finding : publisher->Warnings()) EXPECT_EQ(finding.id, "FOREIGN_FILES");
    ExpectWhole({"a1b2"});
    last = CurrentNumber();
  }
}

TEST_F(GenerationTest, FilesAndFoldersHaveTheirOwnersAndModesWhenTheyAppear) {
  ::umask(0077);
  PublishedService service = Service();
  const bool root = ::geteuid() == 0;
  if (root) {
    service.owner = "nobody";
    service.file_group = "daemon";
  }
  ASSERT_TRUE(Start({service})->PublishNow());
  for (const auto& entry : fs::recursive_directory_iterator(Path("pub/web"))) {
    if (entry.is_symlink()) continue;
    const FileInfo info = real->Info(entry.path()).value();
    const bool folder = info.type == FileInfo::Type::kDirectory;
    // Who owns the files may pass, and what the folders hold is the daemon's to say.
    EXPECT_EQ(info.mode, folder ? (root ? 0751u : 0750u) : 0640u) << entry;
    if (!root) continue;
    const std::string name = entry.path().filename();
    const bool own = folder || name == "SHA256SUMS" || name == "generation.json";
    EXPECT_EQ(info.uid, own ? 0u : 65534u) << entry;
    EXPECT_EQ(info.gid, 1u) << entry;
  }
  service.file_mode = 0644;
  ASSERT_TRUE(Start({service})->PublishNow());
  EXPECT_EQ(CurrentNumber(), "2");
  EXPECT_EQ(real->Info(Current("tomcat.pem")).value().mode, 0644u);
  EXPECT_EQ(real->Info(Path("pub/web")).value().mode, 0755u);
}

// ABUSE 106.
TEST_F(GenerationTest, ForeignThingsInItsPlaceAreRefusedAndLeftAlone) {
  fs::create_directory(Path("victim"));
  testing::WriteWhole(Path("victim/file"), "theirs");
  const auto victim_is_whole = [&] {
    EXPECT_EQ(testing::ReadWhole(Path("victim/file")), "theirs");
    EXPECT_EQ(std::distance(fs::directory_iterator(Path("victim")), {}), 1);
  };
  const std::string web = Path("pub/web");
  const std::vector<std::function<void()>> attacks = {
      [&] { fs::create_directory_symlink(Path("victim"), web); },
      [&] { testing::WriteWhole(web, "a file"); },
      [&] {
        fs::create_directory(web);
        fs::permissions(web, fs::perms(0777));
      },
      [&] {
        fs::create_directory(web);
        fs::create_directory_symlink(Path("victim"), web + "/generations");
      },
      [&] {
        fs::create_directory(web);
        fs::create_directory_symlink(Path("victim"), web + "/current");
      },
      [&] {
        fs::create_directory(web);
        fs::create_directory(web + "/current");
      },
      [&] {
        fs::create_directory(web);
        testing::WriteWhole(web + "/current", "a file");
      },
      [&] {
        fs::create_directory(web);
        fs::create_directory_symlink(Path("victim"), web + "/.current.new");
      },
      [&] { fs::permissions(Path("pub"), fs::perms(0777)); },
  };
  for (std::size_t i = 0; i < attacks.size(); ++i) {
    SCOPED_TRACE(i);
    fs::remove_all(web);
    attacks[i]();
    EXPECT_EQ(Refusal(), "PUBLISH_FOLDER_UNSAFE");
    victim_is_whole();
    fs::permissions(Path("pub"), fs::perms(0755));
  }
  if (::geteuid() != 0) return;
  fs::remove_all(web);
  fs::create_directory(web);
  ASSERT_EQ(::chown(web.c_str(), 65534, 65534), 0);
  EXPECT_EQ(Refusal(), "PUBLISH_FOLDER_UNSAFE");
  EXPECT_TRUE(fs::is_empty(web));
}

TEST_F(GenerationTest, AParentWithTheStickyBitWillDo) {
  fs::permissions(Path("pub"), fs::perms(01777));
  EXPECT_EQ(Refusal(), "published");
}

// ABUSE 106.
TEST_F(GenerationTest, CleaningUpNeverLeavesTheFolder) {
  fs::create_directory(Path("victim"));
  testing::WriteWhole(Path("victim/tomcat.pem"), "theirs");
  const std::string generations = Path("pub/web/generations");
  ASSERT_TRUE(Start({Service()})->PublishNow());
  // What looks like a leftover, and leads outside.
  fs::create_directory_symlink(Path("victim"), generations + "/.9.new");
  fs::create_directory(generations + "/.8.new");
  fs::create_directory_symlink(Path("victim"), generations + "/.8.new/inner");
  fs::create_directory_symlink(Path("victim"), generations + "/7");
  testing::WriteWhole(generations + "/notes", "mine");
  // A generation whose inner folder was replaced.
  fs::remove_all(generations + "/1/nginx");
  fs::create_directory_symlink(Path("victim"), generations + "/1/nginx");
  testing::WriteWhole(Path("victim/tomcat.conf"), "theirs");
  const auto publisher = Start({Service()});
  for (int i = 0; i < 4; ++i) {
    InstallSigned("tomcat", "a00" + std::to_string(i));
    ASSERT_TRUE(publisher->PublishNow());
  }
  EXPECT_EQ(testing::ReadWhole(Path("victim/tomcat.pem")), "theirs");
  EXPECT_EQ(testing::ReadWhole(Path("victim/tomcat.conf")), "theirs");
  EXPECT_EQ(testing::ReadWhole(generations + "/notes"), "mine");
  EXPECT_FALSE(fs::exists(fs::symlink_status(generations + "/.9.new")));
  EXPECT_FALSE(fs::exists(generations + "/.8.new"));
  EXPECT_THAT(publisher->Warnings(), SizeIs(2));  // 7 and 1 are not ours to remove
  for (const Finding& finding : publisher->Warnings()) EXPECT_EQ(finding.id, "FOREIGN_FILES");
}

TEST_F(GenerationTest, WhatSomebodyPutIntoAnOldGenerationStaysAndIsNamed) {
  const auto publisher = Start({Service()});
  ASSERT_TRUE(publisher->PublishNow());
  const std::string notes = Path("pub/web/generations/1/tomcat-trust/notes.txt");
  testing::WriteWhole(notes, "mine");
  for (int i = 0; i < 4; ++i) {
    InstallSigned("tomcat", "a00" + std::to_string(i));
    ASSERT_TRUE(publisher->PublishNow());
  }
  EXPECT_EQ(testing::ReadWhole(notes), "mine");
  EXPECT_FALSE(fs::exists(Path("pub/web/generations/1/tomcat.pem")));
  ASSERT_THAT(publisher->Warnings(), SizeIs(1));
  EXPECT_EQ(publisher->Warnings()[0].id, "FOREIGN_FILES");
  EXPECT_THAT(publisher->Warnings()[0].text, HasSubstr("generations/1"));
  fs::remove(notes);
  InstallSigned("tomcat", "a009");
  ASSERT_TRUE(publisher->PublishNow());
  EXPECT_THAT(Generations(), Not(Contains("1")));
  EXPECT_THAT(publisher->Warnings(), IsEmpty());
}

}  // namespace
}  // namespace signet::services
