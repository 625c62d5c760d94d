// No key without its owner, no identity without its key: on the way of each change and when it
// fails.
#include "keystore/x509/pem.h"
#include "tests/keystore/identities_world.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Fault = LossyStore::Fault;

class IdentitiesTest : public IdentitiesWorld {
 protected:
  void TrustChain() {
    Trust trust(catalogue, names, *state, *committer, *token.clock);
    const std::string chain = ca.Issuer("root") + ca.Issuer("intermediate");
    Operation operation = Next();
    Done(trust.Upload(operation, {"cup-trust", {{chain, "", ""}}, {}, false}, {}));
  }
  Result<ChangeResult> Upload(const std::string& pem) {
    Operation operation = Next();
    return identities->Upload(operation, {{{"cup-ECDSA", pem}}, false, {}}, {});
  }

  signet::testing::TestCa ca;
};

// SPEC C2: it replaces the current certificate, is pinned in the trust store, and the services that
// must restart are named.
TEST_F(IdentitiesTest, SelfSignedCertificateIsInPlacePinnedAndItsKeyOnTheToken) {
  const ChangeResult result = SelfSigned();
  EXPECT_TRUE(result.changed);
  EXPECT_THAT(result.restarts, ElementsAre("Cisco SIP Proxy", "Cisco Presence Engine"));
  const auto now = state->Now();
  ASSERT_NE(now->Current("cup-ECDSA"), nullptr);
  EXPECT_EQ(now->Current("cup-ECDSA")->certificate, result.fingerprint);
  const TrustEntryRecord* entry = now->TrustEntry("cup-trust", *result.fingerprint);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->kind, "pinned");
  EXPECT_EQ(entry->origin, "made here");
  const auto certificate = x509::ReadCertificates(*result.pem, 1).value().front();
  EXPECT_TRUE(certificate.fields().self_signed);
  EXPECT_EQ(certificate.fields().key.ski, CurrentKey());
  ExpectConsistent();
}

TEST_F(IdentitiesTest, FormerKeyIsKeptOnceAndDestroyedWithTheSecondReplacement) {
  SelfSigned();
  const std::string first = CurrentKey();
  SelfSigned();
  const std::string second = CurrentKey();
  EXPECT_THAT(TokenKeys(), ::testing::UnorderedElementsAre(first, second));
  SelfSigned();
  EXPECT_THAT(TokenKeys(), ::testing::UnorderedElementsAre(second, CurrentKey()));
  ExpectConsistent();
}

// SPEC C6: the former certificate and key stay for a rollback.
TEST_F(IdentitiesTest, SignedCertificateReplacesTheSelfSignedOneAndItsCsrIsOver) {
  TrustChain();
  SelfSigned();
  const ChangeResult csr = Csr();
  const std::string pem = ca.Sign(*csr.pem);
  const ChangeResult result = Done(Upload(pem));
  EXPECT_TRUE(result.changed);
  const auto now = state->Now();
  EXPECT_THAT(now->csrs, IsEmpty());
  EXPECT_EQ(now->Current("cup-ECDSA")->certificate, result.fingerprint);
  EXPECT_THAT(now->Current("cup-ECDSA")->chain, SizeIs(2));
  EXPECT_TRUE(now->identities.at("cup-ECDSA").value.previous);
  ExpectConsistent();
  const Revision before = store.Now();
  EXPECT_FALSE(Done(Upload(pem)).changed);
  EXPECT_EQ(store.Now(), before);
}

TEST_F(IdentitiesTest, UploadIsRefusedWhenTheKeyIsGoneFromTheToken) {
  TrustChain();
  const ChangeResult csr = Csr();
  const std::string pem = ca.Sign(*csr.pem);
  const std::string key = state->Now()->csrs.begin()->second.value.key.id;
  ASSERT_TRUE(token.token().Destroy(key));
  const auto result = Upload(pem);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "KEY_NOT_FOUND");
  EXPECT_FALSE(result.error().remedy.empty());
  EXPECT_THAT(state->Now()->csrs, SizeIs(1));
}

// SPEC C3: discarding a CSR is explicit, and takes its key.
TEST_F(IdentitiesTest, DiscardedCsrTakesItsKeyAlong) {
  const ChangeResult csr = Csr();
  ExpectConsistent();
  Operation operation = Next();
  Done(identities->DiscardCsr(operation, *csr.csr));
  EXPECT_THAT(TokenKeys(), IsEmpty());
  Operation again = Next();
  const auto result = identities->DiscardCsr(again, *csr.csr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().word, "CSR_UNKNOWN");
}

// ABUSE 66 and its kin: whichever signature fails, the token and the store agree.
TEST_F(IdentitiesTest, C66_FailedSignatureLeavesNeitherCsrNorKey) {
  const int before = plan.Calls("C_Sign");
  Csr();
  const int signatures = plan.Calls("C_Sign") - before;
  ASSERT_GE(signatures, 2);
  int failures = 0;
  for (int n = 1; n <= signatures; ++n) {
    plan.Set("C_Sign " + std::to_string(n) + " CKR_0x30\n");
    const std::size_t csrs = state->Now()->csrs.size();
    Operation operation = Next();
    const auto result = identities->GenerateCsr(operation, Of("cup-ECDSA"));
    if (!result) {
      ++failures;
      EXPECT_FALSE(result.error().remedy.empty()) << result.error().ToString();
      EXPECT_FALSE(operation.leave_for_recovery);
      EXPECT_EQ(state->Now()->csrs.size(), csrs);
    }
    plan.Clear();
    ExpectConsistent();
  }
  EXPECT_GT(failures, 0);
}

TEST_F(IdentitiesTest, FailedSignatureOfASelfSignedCertificateLeavesNoKey) {
  SelfSigned();
  const std::string before = CurrentKey();
  const int counted = plan.Calls("C_Sign");
  SelfSigned();
  const int signatures = plan.Calls("C_Sign") - counted;
  const std::string current = CurrentKey();
  EXPECT_NE(before, current);
  plan.Set("C_Sign " + std::to_string(signatures) + " CKR_0x30\n");  // the certificate's own
  Operation operation = Next();
  const auto result = identities->GenerateSelfSigned(operation, Of("cup-ECDSA"));
  plan.Clear();
  ASSERT_FALSE(result);
  EXPECT_EQ(CurrentKey(), current);
  ExpectConsistent();
}

TEST_F(IdentitiesTest, KeyThatCannotBeDestroyedEitherIsLeftForRecovery) {
  Csr();
  const int counted = plan.Calls("C_Sign");
  Csr();
  const int signatures = plan.Calls("C_Sign") - counted;
  plan.Set("C_Sign " + std::to_string(signatures) + " CKR_0x30\nC_DestroyObject every CKR_0x30\n");
  Operation operation = Next();
  ASSERT_FALSE(identities->GenerateCsr(operation, Of("cup-ECDSA")));
  EXPECT_TRUE(operation.leave_for_recovery);
  EXPECT_THAT(TokenKeys(), SizeIs(3));
  plan.Clear();
  const auto recovered = identities->Recover(operation.id);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered.value().committed);
  EXPECT_THAT(recovered.value().detail, HasSubstr("destroyed key cup-ECDSA-" + operation.id));
  ExpectConsistent();
}

TEST_F(IdentitiesTest, StoreThatRefusesLeavesNoKey) {
  SelfSigned();
  const std::string current = CurrentKey();
  store.lossy.Next(Fault::kRefuse);
  Operation one = Next();
  const auto certificate = identities->GenerateSelfSigned(one, Of("cup-ECDSA"));
  Operation two = Next();
  const auto csr = identities->GenerateCsr(two, Of("cup-ECDSA"));
  store.lossy.Next(Fault::kNone);
  ASSERT_FALSE(certificate);
  ASSERT_FALSE(csr);
  EXPECT_EQ(certificate.error().word, "STORE_BUSY");
  EXPECT_FALSE(one.leave_for_recovery || two.leave_for_recovery);
  EXPECT_EQ(CurrentKey(), current);
  ExpectConsistent();
}

TEST_F(IdentitiesTest, LostAnswerOfTheStoreDoesNotCostTheKey) {
  store.lossy.Next(Fault::kLoseAnswer);
  const ChangeResult result = SelfSigned();
  store.lossy.Next(Fault::kNone);
  EXPECT_TRUE(result.changed);
  ExpectConsistent();
  EXPECT_TRUE(
      identities->Sign({.purpose = "cup-ECDSA", .algorithm = {}, .hash = {}, .input = "text"}));
}

TEST_F(IdentitiesTest, UnknownOutcomeKeepsTheKeyUntilRecoveryAsked) {
  store.lossy.Next(Fault::kLoseAnswerAndGet);
  Operation operation = Next();
  ASSERT_FALSE(identities->GenerateCsr(operation, Of("cup-ECDSA")));
  EXPECT_TRUE(operation.leave_for_recovery);
  EXPECT_FALSE(identities->Recover(operation.id));
  store.lossy.Next(Fault::kNone);
  const auto recovered = identities->Recover(operation.id);
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered.value().committed);
  ExpectConsistent();
  EXPECT_THAT(TokenKeys(), SizeIs(1));
}

TEST_F(IdentitiesTest, WrongSchemeAndWrongDigestLengthAreRefusedBeforeTheToken) {
  SelfSigned();
  const int before = plan.Calls("C_Sign");
  auto word = [&](SignRequest request) {
    request.purpose = "cup-ECDSA";
    const auto signature = identities->Sign(request);
    EXPECT_FALSE(signature);
    if (signature) return std::string("signed");
    EXPECT_FALSE(signature.error().remedy.empty());
    return signature.error().word;
  };
  EXPECT_EQ(word({.purpose = "", .algorithm = "rsa-pss", .hash = {}, .input = "text"}),
            "SCHEME_DOES_NOT_FIT");
  EXPECT_EQ(word({.purpose = "",
                  .algorithm = {},
                  .hash = "sha384",
                  .input = std::string(32, 'd'),
                  .is_digest = true}),
            "DIGEST_LENGTH");
  EXPECT_EQ(plan.Calls("C_Sign"), before);
  EXPECT_EQ(
      identities->Sign({.purpose = "cup", .algorithm = {}, .hash = {}, .input = "x"}).error().word,
      "NO_IDENTITY");
}

TEST_F(IdentitiesTest, ForeignKeyIsListedAndNeverTouched) {
  SelfSigned();
  ASSERT_TRUE(token.token().Generate("somebody-elses", {hsm::KeyAlgorithm::kEc, 256},
                                     hsm::KeyPolicy::kFixed));
  SelfSigned();
  SelfSigned();
  std::vector<std::string> owners;
  const auto keys = identities->Keys().value();
  for (const KeyRow& row : keys) owners.push_back(row.owner);
  EXPECT_THAT(owners, ::testing::UnorderedElementsAre("cup-ECDSA current", "cup-ECDSA previous",
                                                      HasSubstr("none: ")));
}

TEST_F(IdentitiesTest, MissingKeyIsSeen) {
  SelfSigned();
  EXPECT_THAT(identities->MissingKeys().value(), IsEmpty());
  ASSERT_TRUE(token.token().Destroy(CurrentKey()));
  EXPECT_THAT(identities->MissingKeys().value(), ElementsAre("cup-ECDSA"));
  EXPECT_FALSE(identities->Keys().value().front().on_token);
}

}  // namespace
}  // namespace signet::keystore
