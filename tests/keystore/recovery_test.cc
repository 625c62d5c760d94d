// What recovery makes of operations that a crash interrupted.
#include "tests/keystore/identities_world.h"

namespace signet::keystore {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RecoveryTest : public IdentitiesWorld {
 protected:
  // A key as an operation leaves it that died before its commit.
  std::string Orphan(const std::string& operation) {
    return token.token()
        .Generate("cup-ECDSA-" + operation, {hsm::KeyAlgorithm::kEc, 256}, hsm::KeyPolicy::kFixed)
        .value()
        .id;
  }
};

TEST_F(RecoveryTest, UncommittedOperationLosesItsKey) {
  const Operation operation = Next();
  Orphan(operation.id);
  const auto recovered = identities->Recover(operation.id);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered.value().committed);
  EXPECT_THAT(recovered.value().detail, HasSubstr(operation.id));
  EXPECT_THAT(TokenKeys(), IsEmpty());
  EXPECT_TRUE(identities->Recover(operation.id));  // a crash during recovery: again
}

TEST_F(RecoveryTest, OperationThatNeverReachedTheTokenIsUndoneWithoutEffect) {
  SelfSigned();
  const auto recovered = identities->Recover(Next().id);
  ASSERT_TRUE(recovered);
  EXPECT_FALSE(recovered.value().committed);
  ExpectConsistent();
}

TEST_F(RecoveryTest, KeysOfOtherOperationsAreLeftAlone) {
  const Operation dead = Next();
  const Operation other = Next();
  const std::string theirs = Orphan(other.id);
  Orphan(dead.id);
  ASSERT_TRUE(identities->Recover(dead.id));
  EXPECT_THAT(TokenKeys(), ::testing::ElementsAre(theirs));
}

TEST_F(RecoveryTest, CommittedOperationIsFinishedAndItsAnswerFound) {
  SelfSigned();
  const std::string first = CurrentKey();
  SelfSigned();
  plan.Set("C_DestroyObject every CKR_0x30\n");
  Operation operation = Next();
  const ChangeResult result = Done(identities->GenerateSelfSigned(operation, Of("cup-ECDSA")));
  EXPECT_TRUE(operation.leave_for_recovery);
  ASSERT_FALSE(result.findings.empty());
  EXPECT_EQ(result.findings.back().id, "KEY_NOT_DESTROYED");
  EXPECT_THAT(TokenKeys(), Contains(first));
  plan.Clear();
  Restart();
  const auto recovered = identities->Recover(operation.id);
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered.value().committed);
  EXPECT_THAT(recovered.value().result.value(), HasSubstr(*result.fingerprint));
  EXPECT_THAT(TokenKeys(), Not(Contains(first)));
  ExpectConsistent();
}

TEST_F(RecoveryTest, KeyThatARecordOwnsIsNeverDestroyed) {
  SelfSigned();
  const std::string current = CurrentKey();
  const std::string operation = state->Now()->Current("cup-ECDSA")->operation;
  // The operation's own record is gone, as if it had never been committed; the identity is there.
  Transaction forget;
  forget.Delete(store.layout.Operation(operation));
  ASSERT_TRUE(store.sqlite->Commit(forget, std::chrono::seconds(10)));
  ASSERT_TRUE(identities->Recover(operation));
  EXPECT_THAT(TokenKeys(), ::testing::ElementsAre(current));
  // A record that wants an owned key destroyed is not obeyed.
  OperationRecord lie;
  lie.destroy = {current};
  store.Put(store.layout.Operation(operation), json::serialize(ToJson(lie)));
  ASSERT_TRUE(identities->Recover(operation));
  EXPECT_THAT(TokenKeys(), ::testing::ElementsAre(current));
}

TEST_F(RecoveryTest, TokenThatFailsKeepsTheOperationForLater) {
  const Operation operation = Next();
  Orphan(operation.id);
  plan.Set("C_DestroyObject every CKR_0x30\n");
  const auto failed = identities->Recover(operation.id);
  ASSERT_FALSE(failed);
  plan.Clear();
  EXPECT_TRUE(identities->Recover(operation.id));
  EXPECT_THAT(TokenKeys(), IsEmpty());
}

}  // namespace
}  // namespace signet::keystore
