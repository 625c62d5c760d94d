// Trust entries that go, stay gone, and may come back (SPEC C9, B5).
#include "keystore/x509/pem.h"
#include "tests/keystore/life_cycle_world.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Deletion : public LifeCycleWorld {
 protected:
  std::string root = Fingerprint(ca.Issuer("root"));
  std::string intermediate = Fingerprint(ca.Issuer("intermediate"));
};

// SPEC C9: what was deleted does not come back by itself.
TEST_F(Deletion, UnusedEntryGoesAndLeavesATombstoneThatNamesWhoAndWhy) {
  TrustChain();
  const ChangeResult deleted = Done(Delete(intermediate));
  EXPECT_TRUE(deleted.changed);
  EXPECT_THAT(deleted.restarts, Contains("Cisco SIP Proxy"));
  EXPECT_FALSE(Trusts(intermediate));
  EXPECT_TRUE(Trusts(root));
  const auto again = TrustUpload(ca.Issuer("intermediate"));
  ASSERT_EQ(Word(again), "DELETED_BEFORE");
  EXPECT_THAT(again.error().detail, HasSubstr("ada"));
  EXPECT_THAT(again.error().detail, HasSubstr("no longer ours"));
  EXPECT_THAT(again.error().remedy, HasSubstr("--undelete"));
  EXPECT_EQ(Word(TrustUpload(ca.Issuer("intermediate"), true)), "changed");
  EXPECT_TRUE(Trusts(intermediate));
  EXPECT_EQ(state->Now()->Tombstone("cup-trust", intermediate), nullptr);
  EXPECT_EQ(PlanUndelete(In(), "cup-trust", intermediate).error().word, "NOT_DELETED");
}

TEST_F(Deletion, ChainOfAnUploadDoesNotBringADeletedEntryBack) {
  TrustChain();
  Done(Delete(intermediate));
  const std::string pem = Signed() + ca.Issuer("intermediate");
  Operation operation = Next();
  EXPECT_EQ(Word(identities->Upload(operation, {{{"cup-ECDSA", pem}}, true, {}}, {})),
            "DELETED_BEFORE");
  EXPECT_EQ(Current(), "");
}

// SPEC C9: a CA that a current identity chains to stays. ABUSE 51: without force; undone within a
// term.
TEST_F(Deletion, WhatACurrentIdentityRestsOnStaysUnlessForced) {
  TrustChain();
  Done(Upload(Signed()));
  for (const std::string& entry : {root, intermediate}) {
    const auto refused = Delete(entry);
    ASSERT_EQ(Word(refused), "TRUST_IN_USE");
    EXPECT_THAT(refused.error().detail, HasSubstr("cup-ECDSA"));
    EXPECT_TRUE(Trusts(entry));
  }
  EXPECT_EQ(Word(Delete(root, {{"TRUST_IN_USE"}, "the CA was broken into"})), "changed");
  EXPECT_FALSE(Trusts(root));
}

// SPEC C9, C10: a self-signed leftover may go only once a CA-signed certificate took over.
TEST_F(Deletion, SelfSignedLeftoverGoesOnlyWhenACaSignedCertificateTookOver) {
  TrustChain();
  SelfSigned();
  const std::string oldest = Current();
  SelfSigned();
  EXPECT_EQ(Word(Delete(Current())), "TRUST_IN_USE");
  const auto early = Delete(oldest);
  ASSERT_EQ(Word(early), "NOT_REPLACED_YET");
  EXPECT_THAT(early.error().remedy, HasSubstr("Install a CA-signed certificate"));
  EXPECT_THAT(early.error().detail, HasSubstr("issuer and subject are both"));
  Done(Upload(Signed()));
  EXPECT_EQ(Word(Delete(oldest)), "changed");
}

// ABUSE 51: the rehearsal shows what would break.
TEST_F(Deletion, ImpactIsShownBefore) {
  TrustChain();
  const DeletionPlan proposal = PlanDeletion(In(), {"cup-trust", root, "", {}}).value();
  const Finding* impact = FindingOf(proposal.findings, "IMPACT");
  ASSERT_NE(impact, nullptr);
  EXPECT_THAT(impact->text, HasSubstr("Intermediate"));
  EXPECT_NE(FindingOf(proposal.findings, "LAST_ANCHOR"), nullptr);
  ASSERT_THAT(proposal.steps, SizeIs(1));
  EXPECT_EQ(proposal.steps[0].what, "delete anchor");
  EXPECT_TRUE(Trusts(root));
}

TEST_F(Deletion, PlanIsStaleWhenAnIdentityBeganToRestOnTheEntry) {
  TrustChain();
  const std::string pem = Signed();
  const std::string hash = ReportOf(PlanDeletion(In(), {"cup-trust", root, "", {}}).value()).hash;
  Done(Upload(pem));
  Operation operation = Next();
  EXPECT_EQ(
      Word(trust->Delete(operation, {"cup-trust", root, "", {{"TRUST_IN_USE"}, "why"}}, hash)),
      "PLAN_STALE");
  EXPECT_TRUE(Trusts(root));
}

TEST_F(Deletion, UndoBringsTheEntryBackUntilItsDaysAreOver) {
  Operation upload = Next();
  Done(trust->Upload(
      upload, {"cup-trust", {{ca.Issuer("root"), "the company's root", ""}}, {}, false}, {}));
  Done(Delete(root));
  clock.moved = std::chrono::days(31);
  Operation late = Next();
  EXPECT_EQ(Word(trust->Undelete(late, "cup-trust", root, {})), "UNDO_OVER");
  clock.moved = std::chrono::days(29);
  Operation early = Next();
  EXPECT_EQ(Word(trust->Undelete(early, "CUP-TRUST", root.substr(0, 8), {})), "changed");
  const auto now = state->Now();
  ASSERT_NE(now->TrustEntry("cup-trust", root), nullptr);
  EXPECT_EQ(now->TrustEntry("cup-trust", root)->description, "the company's root");
  Operation again = Next();
  EXPECT_EQ(Word(trust->Undelete(again, "cup-trust", root, {})), "NOT_DELETED");
}

// ABUSE 57: an id is no path.
TEST_F(Deletion, EntryIsNamedByTheBeginningOfItsFingerprint) {
  TrustChain();
  EXPECT_EQ(Word(Delete(root.substr(0, 3))), "TRUST_ENTRY_UNKNOWN");
  EXPECT_EQ(Word(Delete("0000000000")), "TRUST_ENTRY_UNKNOWN");
  EXPECT_EQ(Word(Delete("../../etc")), "TRUST_ENTRY_UNKNOWN");
  EXPECT_EQ(Word(Delete(root.substr(0, 12))), "changed");
}

TEST_F(Deletion, TombstonesOutliveARestart) {
  TrustChain();
  Done(Delete(intermediate));
  Restart();
  EXPECT_THAT(state->Now()->tombstones, SizeIs(1));
  const auto& [name, row] = *state->Now()->tombstones.begin();
  EXPECT_EQ(name, "cup-trust/" + intermediate);
}

}  // namespace
}  // namespace signet::keystore
