// What readers see of the store.
#include <gmock/gmock.h>

#include "keystore/trust_writer.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "tests/keystore/open_store.h"
#include "tests/support/test_ca.h"

namespace signet::keystore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StateTest : public ::testing::Test {
 protected:
  std::unique_ptr<State> Open() { return State::Open(*store.sqlite, store.layout).value(); }
  Revision PutCsr(const std::string& id, const std::string& purpose) {
    CsrRecord csr;
    csr.id = id;
    csr.purpose = purpose;
    csr.key.id = "key-of-" + id;
    return store.Put(store.layout.Csr(id), json::serialize(ToJson(csr)));
  }
  OpenStore store;
};

TEST_F(StateTest, RecordsAreReadAtTheStartAndFollowedAfterwards) {
  const Revision first = PutCsr("1", "cup");
  auto state = Open();
  EXPECT_EQ(state->Now()->csrs.at("1").modified, first);
  const Revision second = PutCsr("2", "tomcat");
  const auto now = state->Now();
  EXPECT_EQ(now->revision, second);
  EXPECT_EQ(now->csrs.at("2").value.purpose, "tomcat");
  Transaction transaction;
  transaction.Delete(store.layout.Csr("1"));
  ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)));
  EXPECT_THAT(state->Now()->csrs, SizeIs(1));
  EXPECT_THAT(now->csrs, SizeIs(2));  // who holds a snapshot keeps it
}

TEST_F(StateTest, ChangeIsToldOnceWithTheNewSnapshot) {
  auto state = Open();
  std::vector<Revision> told;
  state->OnChange([&](const Snapshot& snapshot) { told.push_back(snapshot.revision); });
  const Revision first = PutCsr("1", "cup");
  const Revision second = PutCsr("2", "cup");
  EXPECT_THAT(told, ElementsAre(first, second));
}

TEST_F(StateTest, TransactionIsSeenAsAWhole) {
  auto state = Open();
  std::vector<std::size_t> seen;
  state->OnChange([&](const Snapshot& snapshot) { seen.push_back(snapshot.csrs.size()); });
  Transaction transaction;
  for (const char* id : {"1", "2", "3"}) {
    transaction.Put(store.layout.Csr(id), json::serialize(ToJson(CsrRecord())));
  }
  ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)));
  EXPECT_THAT(seen, ElementsAre(3));
}

TEST_F(StateTest, DamagedRecordIsLeftOutAndTheOthersStay) {
  PutCsr("1", "cup");
  store.Put(store.layout.Csr("2"), "{\"id\":");
  store.Put(store.layout.Csr("3"), "{\"id\": 7}");
  store.Put(store.layout.Identity("cup"), "[]");
  store.Put(store.layout.Certificate("ab"), "{\"der\":\"not base64!\"}");
  store.Put(store.layout.Certificate("cd"), "{\"der\":\"" + Base64Encode("no certificate") + "\"}");
  auto state = Open();
  EXPECT_THAT(state->Now()->csrs, SizeIs(1));
  EXPECT_THAT(state->Now()->identities, IsEmpty());
  EXPECT_EQ(state->Now()->Certificate("ab"), nullptr);
  EXPECT_EQ(state->Now()->Certificate("cd"), nullptr);
  PutCsr("2", "tomcat");
  EXPECT_THAT(state->Now()->csrs, SizeIs(2));
}

TEST_F(StateTest, OtherNodesRecordsAreNotThisNodes) {
  store.Put(Layout("blue", "imp2.example.com").Csr("1"), json::serialize(ToJson(CsrRecord())));
  store.Put(Layout("green", "imp1.example.com").Csr("2"), json::serialize(ToJson(CsrRecord())));
  EXPECT_THAT(Open()->Now()->csrs, IsEmpty());
}

TEST_F(StateTest, UnchangedPartsAreShared) {
  const signet::testing::TestCa ca;
  const auto root = x509::ReadCertificates(ca.Issuer("root"), 1).value().front();
  auto state = Open();
  TrustWriter writer(*state->Now(), store.layout, "op", WallTime());
  writer.Add("tomcat-trust", {root, x509::EntryKind::kAnchor, "r"}, "uploaded");
  Transaction transaction;
  writer.WriteTo(transaction);
  ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)).value());
  const auto before = state->Now();
  PutCsr("1", "cup");
  const auto after = state->Now();
  EXPECT_NE(before, after);
  EXPECT_EQ(before->certificates, after->certificates);
  EXPECT_EQ(before->trust.at("tomcat-trust"), after->trust.at("tomcat-trust"));
  const auto view = Snapshot::View(after, "tomcat-trust");
  EXPECT_THAT(view.anchors(root.fields().subject_der, ""), ElementsAre(root));
  EXPECT_THAT(view.intermediates(root.fields().subject_der, ""), IsEmpty());
}

// States of former versions have the certificate alone.
TEST_F(StateTest, RecordWithoutColumnsIsReadFromItsCertificate) {
  const signet::testing::TestCa ca;
  const auto root = x509::ReadCertificates(ca.Issuer("root"), 1).value().front();
  store.Put(store.layout.Certificate(root.fingerprint()),
            "{\"der\":\"" + Base64Encode(root.der()) + "\"}");
  const auto now = Open()->Now();
  const StoredCertificate* found = now->certificates->Find(root.fingerprint());
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->subject(), root.fields().subject);
  EXPECT_EQ(found->not_after(), root.fields().not_after);
  EXPECT_TRUE(found->self_signed());
  EXPECT_EQ(found->der(), root.der());
}

class CertificateTableTest : public ::testing::Test {
 protected:
  // No certificate is read as long as the columns are there.
  static CertificateTable::Row Row(const std::string& fingerprint, const std::string& subject_id,
                                   const std::string& key_id, const std::string& der = "x") {
    CertificateRecord record;
    record.der = Base64Encode(der);
    record.subject_id = subject_id;
    record.key_id = key_id;
    return StoredCertificate::FromRecord(fingerprint, std::move(record));
  }
  static std::vector<std::string> Named(const CertificateTable& table, const std::string& key_id) {
    std::vector<std::string> found;
    table.EachNamed(0x77ull << 56, key_id, [&](const StoredCertificate& row) {
      found.emplace_back(row.fingerprint());
      return true;
    });
    return found;
  }
};

TEST_F(CertificateTableTest, ThoseOfASubjectAreFoundTheWantedKeyFirst) {
  CertificateTable::Editor editor{CertificateTable()};
  editor.Put(Row("aa01", "7700000000000000", "11"));
  editor.Put(Row("aa02", "7700000000000000", "22"));
  editor.Put(Row("bb03", "7700000000000000", "33"));
  editor.Put(Row("aa04", "7700000000000001", "22"));
  const CertificateTable table = editor.Take();
  for (const char* each : {"aa01", "aa02", "bb03", "aa04"}) EXPECT_NE(table.Find(each), nullptr);
  EXPECT_THAT(Named(table, "22"), ElementsAre("aa02", "aa01", "bb03"));
  EXPECT_THAT(Named(table, ""), ElementsAre("aa01", "aa02", "bb03"));
}

TEST_F(CertificateTableTest, EditedCopyLeavesTheFormerOneAsItWas) {
  CertificateTable::Editor first{CertificateTable()};
  first.Put(Row("aa01", "7700000000000000", "11"));
  first.Put(Row("aa02", "7700000000000000", "22"));
  const CertificateTable before = first.Take();
  CertificateTable::Editor second(before);
  second.Erase("aa01");
  second.Put(Row("aa02", "7700000000000000", "22", "another content"));
  second.Put(Row("aa03", "7700000000000000", "33"));
  const CertificateTable after = second.Take();
  EXPECT_THAT(Named(before, ""), ElementsAre("aa01", "aa02"));
  EXPECT_EQ(before.Find("aa02")->der(), "x");
  EXPECT_THAT(Named(after, ""), ElementsAre("aa02", "aa03"));
  EXPECT_EQ(after.Find("aa02")->der(), "another content");
  EXPECT_EQ(after.Find("aa01"), nullptr);
}

TEST_F(CertificateTableTest, SameCertificateAgainKeepsWhatIsThere) {
  CertificateTable::Editor first{CertificateTable()};
  first.Put(Row("aa01", "7700000000000000", "11"));
  const CertificateTable before = first.Take();
  CertificateTable::Editor second(before);
  second.Put(Row("aa01", "7700000000000000", "11"));
  EXPECT_EQ(second.Take().Find("aa01"), before.Find("aa01"));
}

TEST_F(StateTest, EveryKeyHasItsOwner) {
  IdentityRecord identity;
  identity.purpose = "cup";
  identity.current = IdentityVersion();
  identity.current->key.id = "aa";
  identity.previous = IdentityVersion();
  identity.previous->key.id = "bb";
  store.Put(store.layout.Identity("cup"), json::serialize(ToJson(identity)));
  PutCsr("1", "tomcat");
  std::map<std::string, std::string> owners;
  for (const auto& [id, key] : Open()->Now()->Keys()) owners[id] = key.owner;
  EXPECT_THAT(owners, ElementsAre(::testing::Pair("aa", "cup current"),
                                  ::testing::Pair("bb", "cup previous"),
                                  ::testing::Pair("key-of-1", "tomcat csr 1")));
}

class TrustWriterTest : public StateTest {
 protected:
  signet::testing::TestCa ca;
  x509::Certificate Cert(const std::string& pem) {
    return x509::ReadCertificates(pem, 1).value().front();
  }
};

TEST_F(TrustWriterTest, EntryAndItsCertificateAreWrittenTogether) {
  const auto root = Cert(ca.Issuer("root"));
  auto state = Open();
  TrustWriter writer(*state->Now(), store.layout, "op", WallTime(std::chrono::seconds(1000)));
  writer.Add("cup-trust", {root, x509::EntryKind::kAnchor, "our root"}, "uploaded");
  Transaction transaction;
  writer.WriteTo(transaction);
  ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)).value());
  const auto now = state->Now();
  const TrustEntryRecord* entry = now->TrustEntry("cup-trust", root.fingerprint());
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->kind, "anchor");
  EXPECT_EQ(entry->origin, "uploaded");
  EXPECT_EQ(entry->description, "our root");
  EXPECT_EQ(entry->added, WallTime(std::chrono::seconds(1000)));
  ASSERT_NE(now->Certificate(root.fingerprint()), nullptr);
  EXPECT_EQ(now->Certificate(root.fingerprint())->der(), root.der());
  EXPECT_EQ(now->TrustEntryCount(), 1u);
}

TEST_F(TrustWriterTest, KnownEntryIsLeftAsItIs) {
  const auto root = Cert(ca.Issuer("root"));
  auto state = Open();
  for (const char* description : {"first", "second"}) {
    TrustWriter writer(*state->Now(), store.layout, "op", WallTime());
    writer.Add("cup-trust", {root, x509::EntryKind::kAnchor, description}, "uploaded");
    Transaction transaction;
    writer.WriteTo(transaction);
    if (transaction.writes.empty()) continue;
    ASSERT_TRUE(store.sqlite->Commit(transaction, std::chrono::seconds(10)).value());
  }
  EXPECT_EQ(state->Now()->TrustEntry("cup-trust", root.fingerprint())->description, "first");
}

TEST_F(TrustWriterTest, WriterWithAnOldSnapshotDoesNotLoseWhatCameSince) {
  // Two entries whose fingerprints begin alike lie in one record.
  std::map<std::string, std::vector<x509::Certificate>> shards;
  std::vector<x509::Certificate> pair;
  for (int i = 0; pair.empty() && i < 600; ++i) {
    auto made = Cert(ca.SelfSigned("h" + std::to_string(i) + ".example.com"));
    auto& shard = shards[made.fingerprint().substr(0, 2)];
    shard.push_back(made);
    if (shard.size() == 2) pair = shard;
  }
  ASSERT_THAT(pair, SizeIs(2));
  auto state = Open();
  const auto old = state->Now();
  auto add = [&](const Snapshot& snapshot, const x509::Certificate& certificate) {
    TrustWriter writer(snapshot, store.layout, "op", WallTime());
    writer.Add("cup-trust", {certificate, x509::EntryKind::kPinned, ""}, "uploaded");
    Transaction transaction;
    writer.WriteTo(transaction);
    return store.sqlite->Commit(transaction, std::chrono::seconds(10)).value().has_value();
  };
  EXPECT_TRUE(add(*old, pair[0]));
  EXPECT_FALSE(add(*old, pair[1]));
  EXPECT_TRUE(add(*state->Now(), pair[1]));
  EXPECT_EQ(state->Now()->TrustEntryCount(), 2u);
}

}  // namespace
}  // namespace signet::keystore
