// The life of an identity after its first certificate: plans that bind, uploads of several and with
// overridden findings, rollback and its end.
#include "keystore/x509/pem.h"
#include "tests/keystore/life_cycle_world.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class LifeCycle : public LifeCycleWorld {};

TEST_F(LifeCycle, PlanIsStaleOnceARecordItReadHasMoved) {
  TrustChain();
  SelfSigned();
  const std::string pem = Signed();
  const PlanReport proposal = identities->ProposeUpload({{{"cup-ECDSA", pem}}, false, {}}).value();
  EXPECT_THAT(proposal.hash, SizeIs(64));
  SelfSigned();  // the identity moves
  const std::string before = Current();
  EXPECT_EQ(Word(Upload(pem, proposal.hash)), "PLAN_STALE");
  EXPECT_EQ(Current(), before);
  EXPECT_THAT(state->Now()->csrs, SizeIs(1));
}

TEST_F(LifeCycle, PlanHoldsWhenAnUnrelatedRecordMoves) {
  TrustChain();
  const std::string pem = Signed();
  const PlanReport proposal = identities->ProposeUpload({{{"cup-ECDSA", pem}}, false, {}}).value();
  SelfSigned("tomcat-ECDSA");
  Csr("cup-ECDSA");
  Operation operation = Next();
  Done(trust->Set(operation, {{"rollback-days", "7"}}, {}));
  EXPECT_EQ(Word(Upload(pem, proposal.hash)), "changed");
  EXPECT_EQ(Current(), Fingerprint(pem));
}

TEST_F(LifeCycle, PlanOfAnotherRequestIsRefused) {
  TrustChain();
  const std::string pem = Signed();
  const PlanReport proposal = identities->ProposeCsr(Of("cup-ECDSA")).value();
  EXPECT_EQ(Word(Upload(pem, proposal.hash)), "PLAN_STALE");
  IdentityRequest other = Of("cup-ECDSA");
  other.sans = {"DNS:other.example.com"};
  other.plan = proposal.hash;
  Operation operation = Next();
  EXPECT_EQ(Word(identities->GenerateCsr(operation, other)), "PLAN_STALE");
  ExpectConsistent();
}

TEST_F(LifeCycle, PlanTellsWhatIsReplacedKeptAndRestarted) {
  TrustChain();
  SelfSigned();
  const std::string former = Current();
  const std::string pem = Signed();
  const PlanReport proposal = identities->ProposeUpload({{{"cup-ECDSA", pem}}, false, {}}).value();
  EXPECT_EQ(proposal.replaces, "cup-ECDSA " + former);
  EXPECT_THAT(proposal.restarts, ElementsAre("Cisco SIP Proxy", "Cisco Presence Engine"));
  std::vector<std::string> what;
  for (const PlanStep& step : proposal.steps) what.push_back(step.what);
  EXPECT_THAT(what, ElementsAre("install certificate", "close CSR", "keep for a rollback"));
  const Finding* ends = FindingOf(proposal.findings, "CHAIN_ENDS");
  ASSERT_NE(ends, nullptr);
  EXPECT_EQ(ends->severity, Severity::kInfo);
  EXPECT_EQ(Current(), former);
}

// SPEC C6: all or nothing.
TEST_F(LifeCycle, SeveralCertificatesAreInstalledTogetherOrNotAtAll) {
  TrustChain();
  Operation first = Next();
  Done(trust->Upload(
      first, {"tomcat-trust", {{ca.Issuer("root") + ca.Issuer("intermediate"), "", ""}}, {}, false},
      {}));
  const std::string cup = Signed();
  const std::string tomcat = Signed({}, "tomcat-ECDSA");
  Operation second = Next();
  const auto mixed =
      identities->Upload(second, {{{"cup-ECDSA", cup}, {"tomcat-ECDSA", cup}}, false, {}}, {});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().word, "KEY_MISMATCH");
  EXPECT_EQ(Current(), "");
  EXPECT_EQ(identities->Upload(second, {{{"cup-ECDSA", cup}, {"cup-ECDSA", cup}}, false, {}}, {})
                .error()
                .word,
            "PURPOSE_TWICE");
  const ChangeResult both = Done(
      identities->Upload(second, {{{"cup-ECDSA", cup}, {"tomcat-ECDSA", tomcat}}, false, {}}, {}));
  EXPECT_EQ(Current(), Fingerprint(cup));
  EXPECT_EQ(Current("tomcat-ECDSA"), Fingerprint(tomcat));
  EXPECT_THAT(both.restarts,
              UnorderedElementsAre("Cisco SIP Proxy", "Cisco Presence Engine", "Cisco Tomcat"));
  EXPECT_THAT(state->Now()->csrs, SizeIs(0));
  ExpectConsistent();
}

TEST_F(LifeCycle, OneChainInSeveralPartsIsStoredOnce) {
  const std::string chain = ca.Issuer("root") + ca.Issuer("intermediate");
  const std::string xmpp = Signed({}, "cup-xmpp-ECDSA") + chain;
  const std::string s2s = Signed({}, "cup-xmpp-s2s-ECDSA") + chain;
  Operation operation = Next();
  const ChangeResult both = Done(identities->Upload(
      operation, {{{"cup-xmpp-ECDSA", xmpp}, {"cup-xmpp-s2s-ECDSA", s2s}}, true, {}}, {}));
  EXPECT_THAT(both.stored, SizeIs(2));
  EXPECT_EQ(state->Now()->TrustEntryCount(), 2u);
}

// SPEC K2: refused unless it is forced; the audit keeps that.
// SPEC C8: what must be made anew is one plan, and one change.
TEST_F(LifeCycle, SeveralIdentitiesAreMadeAnewTogetherAsTheyWere) {
  TrustChain();
  Done(Upload(Signed()));
  SelfSigned("cup-xmpp-ECDSA");
  const std::string signed_before = Current(), own_before = Current("cup-xmpp-ECDSA");
  const std::vector<std::string> purposes = {"cup-ECDSA", "cup-xmpp-ECDSA"};
  const PlanReport proposal = identities->ProposeRegeneration(purposes).value();
  Operation operation = Next();
  const ChangeResult result = Done(identities->Regenerate(operation, purposes, proposal.hash));
  ASSERT_TRUE(result.made);
  ASSERT_THAT(*result.made, SizeIs(2));
  const MadeItem& asked = result.made->at(0);
  const MadeItem& made = result.made->at(1);
  EXPECT_EQ(asked.purpose, "cup-ECDSA");
  EXPECT_FALSE(asked.fingerprint);
  EXPECT_EQ(Current(), signed_before);  // until the CA has signed the CSR
  EXPECT_EQ(made.fingerprint, Current("cup-xmpp-ECDSA"));
  EXPECT_NE(Current("cup-xmpp-ECDSA"), own_before);
  EXPECT_THAT(state->Now()->csrs, Contains(::testing::Key(*asked.csr)));
  EXPECT_EQ(Word(Upload(ca.Sign(asked.pem))), "changed");
  ExpectConsistent();
  Operation stale = Next();
  EXPECT_EQ(Word(identities->Regenerate(stale, purposes, proposal.hash)), "PLAN_STALE");
}

TEST_F(LifeCycle, RegenerationOfTwoCsrsGivesEachItsOwnId) {
  TrustChain();
  Done(Upload(Signed()));
  SelfSigned("cup");
  Operation first = Next();
  Done(identities->Regenerate(first, {"cup-ECDSA"}, {}));
  Operation second = Next();
  const ChangeResult result = Done(identities->Regenerate(second, {"cup-ECDSA", "cup"}, {}));
  EXPECT_THAT(state->Now()->csrs, SizeIs(2));
  EXPECT_EQ(result.made->at(0).csr, second.id + "00");
  EXPECT_EQ(Word(identities->Regenerate(second, {"cup", "cup"}, {})), "PURPOSE_TWICE");
  ExpectConsistent();
}

TEST_F(LifeCycle, NamesThatWereAskedForStayInWhatIsMadeAnew) {
  IdentityRequest request = Of("cup-ECDSA");
  request.sans = {"DNS:alias.example.com"};
  Operation operation = Next();
  Done(identities->GenerateSelfSigned(operation, request));
  Operation again = Next();
  const ChangeResult result = Done(identities->Regenerate(again, {"cup-ECDSA"}, {}));
  const auto made = x509::ReadCertificates(result.made->at(0).pem, 1).value().front();
  EXPECT_THAT(made.fields().sans, Contains("DNS:alias.example.com"));
  // Those of hosted domains are filled in anew, and it is said what goes.
  IdentityRequest federation = Of("cup-xmpp-s2s-ECDSA");
  federation.sans = {"DNS:alias.example.com"};
  Operation third = Next();
  Done(identities->GenerateSelfSigned(third, federation));
  const PlanReport proposal = identities->ProposeRegeneration({"cup-xmpp-s2s-ECDSA"}).value();
  ASSERT_NE(FindingOf(proposal.findings, "NAME_DROPPED"), nullptr);
  EXPECT_THAT(FindingOf(proposal.findings, "NAME_DROPPED")->text, HasSubstr("alias.example.com"));
}

TEST_F(LifeCycle, RegenerationThatFailsHalfWayChangesNothing) {
  SelfSigned();
  SelfSigned("cup-xmpp-ECDSA");
  const std::string one = Current(), other = Current("cup-xmpp-ECDSA");
  plan.Set("C_GenerateKeyPair 2 CKR_0x31\n");
  Operation operation = Next();
  EXPECT_NE(Word(identities->Regenerate(operation, {"cup-ECDSA", "cup-xmpp-ECDSA"}, {})),
            "changed");
  plan.Clear();
  EXPECT_EQ(Current(), one);
  EXPECT_EQ(Current("cup-xmpp-ECDSA"), other);
  ExpectConsistent();
}

TEST_F(LifeCycle, NothingIsMadeAnewWhereNoNameIsLacking) {
  SelfSigned();
  Operation operation = Next();
  EXPECT_EQ(Word(identities->Regenerate(operation, {}, {})), "unchanged");
}

TEST_F(LifeCycle, FindingIsOverriddenByNameWithAReasonThatTheAuditKeeps) {
  TrustChain();
  const std::string pem = Signed({{"eku", json::array{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.5"}}});
  EXPECT_EQ(Word(Upload(pem)), "EKU_LOST_clientAuth");
  EXPECT_EQ(Word(Upload(pem, {}, {{"EKU_LOST_clientAuth"}, " "})), "FORCE_WITHOUT_REASON");
  EXPECT_EQ(Word(Upload(pem, {}, {{"SAN_MISSING"}, "why"})), "FORCE_UNFOUNDED");
  EXPECT_EQ(Word(Upload(pem, {}, {{"SIGNATURE_INVALID"}, "why"})), "FORCE_NOT_POSSIBLE");
  EXPECT_EQ(Current(), "");
  const auto forced = Upload(pem, {}, {{"EKU_LOST_clientAuth"}, "server\nonly"});
  ASSERT_EQ(Word(forced), "changed");
  EXPECT_THAT(detail, HasSubstr("overridden EKU_LOST_clientAuth: server"));
  EXPECT_THAT(detail, Not(HasSubstr("\n")));
  EXPECT_EQ(FindingOf(forced.value().findings, "EKU_LOST_clientAuth")->severity,
            Severity::kWarning);
}

// SPEC C6: the former certificate and key stay for a rollback.
TEST_F(LifeCycle, RollbackGoesBackAndForwardWithTheKeysOfEach) {
  TrustChain();
  EXPECT_EQ(Word(Rollback()), "NOTHING_TO_ROLL_BACK");
  SelfSigned();
  EXPECT_EQ(Word(Rollback()), "NOTHING_TO_ROLL_BACK");
  const std::string self_signed = Current(), first_key = CurrentKey();
  const std::string pem = Signed();
  Done(Upload(pem));
  const std::string second_key = CurrentKey();
  const ChangeResult back = Done(Rollback());
  EXPECT_EQ(back.fingerprint, self_signed);
  EXPECT_THAT(back.restarts, Contains("Cisco SIP Proxy"));
  EXPECT_EQ(Current(), self_signed);
  EXPECT_EQ(CurrentKey(), first_key);
  EXPECT_TRUE(
      identities->Sign({.purpose = "cup-ECDSA", .algorithm = {}, .hash = {}, .input = "x"}));
  Done(Rollback());
  EXPECT_EQ(Current(), Fingerprint(pem));
  EXPECT_EQ(CurrentKey(), second_key);
  ExpectConsistent();
}

TEST_F(LifeCycle, RollbackToAnExpiredCertificateNeedsForce) {
  IdentityRequest request = Of("cup-ECDSA");
  request.validity_days = 3;
  Operation operation = Next();
  Done(identities->GenerateSelfSigned(operation, request));
  const std::string former = Current();
  SelfSigned();
  clock.moved = std::chrono::days(5);
  EXPECT_EQ(Word(Rollback()), "ROLLBACK_EXPIRED");
  EXPECT_EQ(Word(Rollback({{"ROLLBACK_EXPIRED"}, "the new one breaks the clients"})), "changed");
  EXPECT_EQ(Current(), former);
}

TEST_F(LifeCycle, RollbackToACertificateWhoseChainIsGoneIsRefused) {
  TrustChain();
  Done(Upload(Signed()));
  SelfSigned();
  Done(Delete(Fingerprint(ca.Issuer("intermediate"))));
  EXPECT_EQ(Word(Rollback()), "CHAIN_INCOMPLETE");
}

TEST_F(LifeCycle, RollbackWithoutItsKeyIsRefused) {
  SelfSigned();
  const std::string former_key = CurrentKey();
  SelfSigned();
  const std::string current = Current();
  ASSERT_TRUE(token.token().Destroy(former_key));
  EXPECT_EQ(Word(Rollback()), "KEY_NOT_FOUND");
  EXPECT_EQ(Current(), current);
}

TEST_F(LifeCycle, FormerCertificateEndsWithItsKeyWhenItsDaysAreOver) {
  SelfSigned();
  SelfSigned();
  Operation early = Next();
  EXPECT_EQ(Word(identities->Retire(early)), "unchanged");
  EXPECT_THAT(TokenKeys(), SizeIs(2));
  clock.moved = std::chrono::days(30) + std::chrono::hours(1);
  Operation late = Next();
  EXPECT_EQ(Word(identities->Retire(late)), "changed");
  EXPECT_THAT(late.detail, HasSubstr("cup-ECDSA"));
  EXPECT_THAT(TokenKeys(), ElementsAre(CurrentKey()));
  EXPECT_EQ(Word(Rollback()), "NOTHING_TO_ROLL_BACK");
  ExpectConsistent();
}

TEST_F(LifeCycle, RollbackDaysAreASetting) {
  SelfSigned();
  SelfSigned();
  Operation set = Next();
  Done(trust->Set(set, {{"rollback-days", "90"}}, {}));
  clock.moved = std::chrono::days(60);
  Operation operation = Next();
  EXPECT_EQ(Word(identities->Retire(operation)), "unchanged");
}

}  // namespace
}  // namespace signet::keystore
