// Kills the daemon at each step of each kind of change, and at random moments, and looks at what
// the next start makes of it: each change has happened or not, and nothing else is left (SPEC A5).
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

constexpr Seconds kRecoveryLimit(5);

// A change to be interrupted: what it needs before, the change, and what must hold afterwards.
struct Change {
  std::string name;
  std::function<void(Appliance&)> prepare;
  std::function<Answer(Appliance&)> carry_out;
  // Whether it happened; a failure when it happened by halves.
  std::function<bool(Appliance&)> happened;
};

class CrashAtEachStep : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef SIGNET_FAILPOINTS
    GTEST_SKIP() << "the daemon is built without failpoints";
#endif
  }

  // The steps that the change passes, as SIGNET_FAILPOINT wants them: counted from the start.
  static std::vector<std::string> Steps(Appliance& appliance, const Change& change) {
    const std::string log = appliance.Spare("failpoints");
    appliance.StartAndWait({{"SIGNET_FAILPOINT_LOG", log}});
    const auto lines = [&] {
      std::vector<std::string> names;
      std::istringstream text(ReadWhole(log));
      for (std::string line; std::getline(text, line);) names.push_back(line);
      return names;
    };
    const std::size_t before = lines().size();
    EXPECT_TRUE(change.carry_out(appliance).ok());
    std::map<std::string, int> passed;
    std::vector<std::string> steps;
    const std::vector<std::string> names = lines();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const int count = ++passed[names[i]];
      if (i >= before) steps.push_back(names[i] + ":" + std::to_string(count));
    }
    appliance.Stop();
    return steps;
  }

  static void KillAt(Appliance& appliance, const Change& change, const std::string& step) {
    SCOPED_TRACE(change.name + " killed at " + step);
    appliance.StartAndWait({{"SIGNET_FAILPOINT", step}});
    const pid_t keyd = appliance.keyd();
    const Answer answer = change.carry_out(appliance);
    if (step.starts_with("keyd.")) {
      // The owner of the token died, not the daemon, which may have an answer all the same: what it
      // acknowledged must be there.
      EXPECT_NE(appliance.keyd(), keyd) << "the step was not passed";
      EXPECT_TRUE(!answer.ok() || change.happened(appliance));
      ASSERT_EQ(appliance.Stop(), 0);
      appliance.KillKeyd();
    } else {
      EXPECT_FALSE(answer.ok()) << "the step was not passed";
      ASSERT_EQ(appliance.WaitForEnd(Seconds(10)), 128 + SIGKILL);
    }
    EXPECT_LT(appliance.StartAndWait(), kRecoveryLimit);
    CheckInvariants(appliance, change.name + " killed at " + step);
    const bool happened = change.happened(appliance);
    // The audit trail tells the same story.
    const json::array trail = appliance.List("audit.list");
    ASSERT_FALSE(trail.empty());
    const std::string outcome = Text(trail.back().at("outcome"));
    const bool told = outcome == "done" || outcome == "recovered";
    if (Text(trail.back().at("method")) == change.name) {
      EXPECT_EQ(told, happened) << trail.back();
    }
    if (!happened) {
      EXPECT_TRUE(change.carry_out(appliance).ok()) << "the change is not possible any more";
      EXPECT_TRUE(change.happened(appliance));
    }
    appliance.Stop();
  }

  // `least`: how many steps are known to be there; fewer means that the test has gone blind.
  static void Try(const Change& change, std::size_t least) {
    Appliance appliance;
    appliance.StartAndWait();
    change.prepare(appliance);
    ASSERT_EQ(appliance.Stop(), 0);
    const std::string saved = appliance.Spare("saved");
    MustRun({"cp", "-a", appliance.folder(), saved});
    const auto restore = [&] {
      std::filesystem::remove_all(appliance.folder());
      MustRun({"cp", "-a", saved, appliance.folder()});
    };
    const std::vector<std::string> steps = Steps(appliance, change);
    EXPECT_GE(steps.size(), least) << ::testing::PrintToString(steps);
    for (const std::string& step : steps) {
      restore();
      KillAt(appliance, change, step);
      if (HasFatalFailure()) return;
    }
  }
};

TEST_F(CrashAtEachStep, GeneratedCertificateIsThereWithItsKeyOrNotAtAll) {
  std::string before;
  const auto generate = [](Appliance& appliance) {
    return appliance.Rpc("certificate.generate", {{"purpose", "cup-ECDSA"}});
  };
  Try({"certificate.generate",
       // Twice, so that the next one destroys a key.
       [&](Appliance& appliance) {
         EXPECT_TRUE(generate(appliance).ok());
         before = Current(appliance, "cup-ECDSA");
       },
       generate, [&](Appliance& appliance) { return Current(appliance, "cup-ECDSA") != before; }},
      12);
}

TEST_F(CrashAtEachStep, CsrIsThereWithItsKeyOrNotAtAll) {
  Try({"csr.generate", [](Appliance&) {},
       [](Appliance& appliance) {
         return appliance.Rpc("csr.generate", {{"purpose", "cup-ECDSA"}});
       },
       [](Appliance& appliance) { return !appliance.List("csr.list").empty(); }},
      10);
}

TEST_F(CrashAtEachStep, DiscardedCsrIsGoneWithItsKeyOrStillThere) {
  std::string id;
  Try({"csr.discard",
       [&](Appliance& appliance) {
         id = Text(appliance.MustRpc("csr.generate", {{"purpose", "cup-ECDSA"}}).at("csr"));
       },
       [&](Appliance& appliance) {
         return appliance.Rpc("csr.discard", {{"id", id}});
       },
       [&](Appliance& appliance) { return !HasCsr(appliance, id); }},
      8);
}

TEST_F(CrashAtEachStep, UploadedCertificateIsInPlaceOrItsCsrStillPending) {
  const CertificateAuthority ca;
  std::string id, signed_pem;
  Try({"certificate.upload",
       [&](Appliance& appliance) {
         const json::value csr = appliance.MustRpc("csr.generate", {{"purpose", "cup-ECDSA"}});
         id = Text(csr.at("csr"));
         signed_pem = ca.Sign(Text(csr.at("pem")));
       },
       [&](Appliance& appliance) {
         return appliance.Rpc(
             "certificate.upload",
             {{"purpose", "cup-ECDSA"}, {"pem", signed_pem + ca.Chain()}, {"withChain", true}});
       },
       [&](Appliance& appliance) {
         const bool in_place = Current(appliance, "cup-ECDSA") == Fingerprint(signed_pem);
         EXPECT_NE(in_place, HasCsr(appliance, id));
         std::size_t authorities = 0;
         for (const json::value& entry : appliance.List("trust.list", {{"store", "cup-trust"}}))
           authorities += entry.at("kind") != "pinned" ? 1 : 0;
         EXPECT_EQ(authorities, in_place ? 3u : 0u);
         return in_place;
       }},
      7);
}

TEST_F(CrashAtEachStep, UploadedChainIsWholeOrAbsent) {
  const CertificateAuthority ca;
  const json::array parts = {json::object{{"pem", ca.Chain()}}};
  Try({"trust.upload", [](Appliance&) {},
       [&](Appliance& appliance) {
         return appliance.Rpc("trust.upload", {{"store", "ipsec-trust"}, {"certificates", parts}});
       },
       [](Appliance& appliance) {
         std::size_t authorities = 0;
         for (const json::value& entry : appliance.List("trust.list", {{"store", "ipsec-trust"}}))
           authorities += entry.at("kind") != "pinned" ? 1 : 0;
         EXPECT_TRUE(authorities == 0 || authorities == 3) << authorities;
         return authorities == 3;
       }},
      6);
}

TEST_F(CrashAtEachStep, BundleOfSeveralTransactionsIsWholeOrAbsent) {
  constexpr std::size_t kMany = 150;
  const ScratchFolder scratch;
  const std::string file = scratch / "many.pem";
  MustRun({"/usr/bin/python3", "-B", MANY_CERTS, "bundle", std::to_string(kMany), file});
  const json::array parts = {json::object{{"pem", ReadWhole(file)}}};
  Try({"trust.upload", [](Appliance&) {},
       [&](Appliance& appliance) {
         return appliance.Rpc(
             "trust.upload",
             {{"store", "ipsec-trust"}, {"mode", "bundle"}, {"certificates", parts}});
       },
       [](Appliance& appliance) {
         std::size_t authorities = 0;
         for (const json::value& entry : appliance.List("trust.list", {{"store", "ipsec-trust"}}))
           authorities += entry.at("kind") != "pinned" ? 1 : 0;
         EXPECT_TRUE(authorities == 0 || authorities == kMany) << authorities;
         return authorities == kMany;
       }},
      12);
}

TEST_F(CrashAtEachStep, RollbackHasHappenedOrNot) {
  std::string before, former;
  Try({"certificate.rollback",
       [&](Appliance& appliance) {
         former = Current(appliance, "cup-ECDSA");
         EXPECT_TRUE(appliance.Rpc("certificate.generate", {{"purpose", "cup-ECDSA"}}).ok());
         before = Current(appliance, "cup-ECDSA");
       },
       [](Appliance& appliance) {
         return appliance.Rpc("certificate.rollback", {{"purpose", "cup-ECDSA"}});
       },
       [&](Appliance& appliance) {
         const std::string now = Current(appliance, "cup-ECDSA");
         EXPECT_TRUE(now == before || now == former) << now;
         return now == former;
       }},
      4);
}

TEST_F(CrashAtEachStep, DeletedTrustEntryHasItsTombstoneOrIsStillThere) {
  const CertificateAuthority ca;
  const std::string root = Fingerprint(ca.Pem("root"));
  Try({"trust.delete",
       [&](Appliance& appliance) {
         const json::array parts = {json::object{{"pem", ca.Pem("root")}}};
         appliance.MustRpc("trust.upload", {{"store", "ipsec-trust"}, {"certificates", parts}});
       },
       [&](Appliance& appliance) {
         return appliance.Rpc("trust.delete", {{"store", "ipsec-trust"}, {"id", root}});
       },
       [&](Appliance& appliance) {
         const bool there =
             appliance.Rpc("trust.show", {{"store", "ipsec-trust"}, {"id", root}}).ok();
         const bool buried =
             !appliance.List("trust.list", {{"store", "ipsec-trust"}, {"deleted", true}}).empty();
         EXPECT_NE(there, buried);
         return buried;
       }},
      4);
}

// ---- random moments ----------------------------------------------------------------------------

class RandomKills {
 public:
  explicit RandomKills(unsigned seed) : random_(seed) {}

  void Run(int rounds) {
    appliance_.StartAndWait();
    Adopt();
    for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) Round(round);
  }

 private:
  static inline const std::vector<std::string> kPurposes = {"tomcat-ECDSA", "cup-ECDSA",
                                                            "cup-xmpp-ECDSA"};

  int Below(int limit) { return std::uniform_int_distribution<int>(0, limit - 1)(random_); }

  struct Shot {
    std::string what;
    std::string method;
    json::object params;
    std::string purpose, csr, leaf;  // what it is about
  };

  Shot Choose(int round) {
    Shot shot;
    shot.purpose = kPurposes[static_cast<std::size_t>(Below(3))];
    const int dice = Below(10);
    if (!csrs_.empty() && dice < 5) {
      auto row = csrs_.begin();
      std::advance(row, Below(static_cast<int>(csrs_.size())));
      shot.csr = row->first;
      shot.purpose = row->second;
      if (dice == 0) {
        shot.method = "csr.discard";
        shot.params = {{"id", shot.csr}};
      } else {
        const std::string pem =
            ca_.Sign(Text(appliance_.MustRpc("csr.show", {{"id", shot.csr}}).at("pem")));
        shot.leaf = Fingerprint(pem);
        shot.method = "certificate.upload";
        shot.params = {{"purpose", shot.purpose}, {"pem", pem + ca_.Chain()}, {"withChain", true}};
      }
    } else {
      shot.method = dice < 7 ? "certificate.generate" : "csr.generate";
      if (round % 25 == 24) shot.purpose = "cup";  // an RSA key now and then
      shot.params = {{"purpose", shot.purpose}};
    }
    shot.what = "round " + std::to_string(round) + " " + shot.method + " " + shot.purpose;
    return shot;
  }

  void Round(int round) {
    Shot shot = Choose(round);
    auto sent = std::async(std::launch::async,
                           [this, &shot] { return appliance_.Rpc(shot.method, shot.params); });
    // As long as such a change took so far, and somewhat longer.
    std::this_thread::sleep_for(std::chrono::milliseconds(Below(longest_ms_ * 5 / 4)));
    appliance_.Kill();
    const Answer answer = sent.get();
    answered_ += answer.ok() ? 1 : 0;
    longest_ms_ = std::max(20, longest_ms_ + (answer.ok() ? -longest_ms_ / 20 : longest_ms_ / 20));
    if (Below(5) == 0) {  // and once more while it recovers
      appliance_.Start();
      std::this_thread::sleep_for(std::chrono::milliseconds(Below(100)));
      appliance_.Kill();
    }
    EXPECT_LT(appliance_.StartAndWait(), kRecoveryLimit) << shot.what;
    CheckInvariants(appliance_, shot.what);
    Compare(shot, answer);
    Adopt();
  }

  void Compare(const Shot& shot, const Answer& answer) {
    SCOPED_TRACE(shot.what + (answer.ok() ? " (acknowledged)" : " (no answer)"));
    EXPECT_TRUE(answer.ok() || answer.status == 0) << answer.word();
    const auto csrs_before = csrs_;
    const auto certificates_before = certificates_;
    Adopt();
    if (shot.method == "csr.generate") {
      EXPECT_LE(csrs_.size(), csrs_before.size() + 1);
      if (answer.ok()) {
        EXPECT_TRUE(csrs_.contains(answer.Text("csr")));
      }
    } else if (shot.method == "csr.discard") {
      if (answer.ok()) {
        EXPECT_FALSE(csrs_.contains(shot.csr));
      }
    } else if (shot.method == "certificate.generate") {
      if (answer.ok()) {
        EXPECT_EQ(certificates_[shot.purpose], answer.Text("fingerprint"));
      }
    } else {
      const bool in_place = certificates_[shot.purpose] == shot.leaf;
      EXPECT_NE(in_place, csrs_.contains(shot.csr));
      if (answer.ok()) {
        EXPECT_TRUE(in_place);
      }
    }
    // Nothing else moved.
    for (const auto& [purpose, fingerprint] : certificates_before) {
      if (purpose != shot.purpose) {
        EXPECT_EQ(certificates_[purpose], fingerprint) << purpose;
      }
    }
    for (const auto& [id, purpose] : csrs_before) {
      if (id != shot.csr) {
        EXPECT_TRUE(csrs_.contains(id)) << id;
      }
    }
  }

  void Adopt() {
    csrs_.clear();
    certificates_.clear();
    for (const json::value& csr : appliance_.List("csr.list"))
      csrs_[Text(csr.at("id"))] = Text(csr.at("purpose"));
    for (const json::value& identity : appliance_.List("certificate.list"))
      certificates_[Text(identity.at("purpose"))] = Text(identity.at("fingerprint"));
  }

  std::mt19937 random_;
  Appliance appliance_;
  CertificateAuthority ca_;
  std::map<std::string, std::string> csrs_;          // id -> purpose
  std::map<std::string, std::string> certificates_;  // purpose -> fingerprint
  int longest_ms_ = 150;
  int answered_ = 0;
};

TEST(CrashAtRandomMoments, FirstFiftyOfAHundredChangesHaveHappenedOrNot) {
  RandomKills(20260101).Run(50);
}
TEST(CrashAtRandomMoments, SecondFiftyOfAHundredChangesHaveHappenedOrNot) {
  RandomKills(20260102).Run(50);
}

TEST(CrashAtRandomMoments, FirstBootGoesOnWhereItWasKilled) {
  ApplianceOptions fresh;
  fresh.prepared = false;
  Appliance appliance(fresh);
  std::mt19937 random(7);
  for (int i = 0; i < 6; ++i) {
    appliance.Start();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 900));
    appliance.Kill();
  }
  appliance.StartAndWait();
  CheckInvariants(appliance, "a first boot that was killed six times");
  EXPECT_EQ(appliance.List("key.list").size(), 10u);
}

}  // namespace
}  // namespace signet::testing
