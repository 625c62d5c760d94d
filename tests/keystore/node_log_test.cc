#include "keystore/node_log.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include "keystore/audit_chain.h"
#include "tests/keystore/scratch.h"

namespace signet::keystore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ChangeOrigin Origin(const std::string& key = "") {
  return {"uid:1000 (ada)", "administrator", "socket", "csr.generate", std::string(64, 'd'), key};
}

class NodeLogTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(true); }
  void Open(bool create) {
    log_.reset();
    auto opened = NodeLog::Open(path_, create, clock_);
    ASSERT_TRUE(opened) << opened.error().ToString();
    log_ = std::move(opened).value();
  }
  JournalEntry Begin(const ChangeOrigin& origin = Origin()) { return log_->Begin(origin).value(); }
  void Write(int records) {
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(log_->Finish(Begin(), "done", "record " + std::to_string(i), std::nullopt));
    }
  }
  AuditVerdict Verify() { return log_->VerifyAudit().value(); }
  // Does with the file what somebody with root's rights could.
  AuditVerdict Tamper(const std::string& sql) {
    log_.reset();
    SQLite::Database(path_, SQLite::OPEN_READWRITE).exec(sql);
    Open(false);
    return Verify();
  }

  Scratch scratch_;
  const std::string path_ = scratch_.File("node.db");
  StandingClock clock_;
  std::unique_ptr<NodeLog> log_;
};

TEST_F(NodeLogTest, OperationIsPendingUntilItIsFinishedWithAnAuditRecord) {
  const JournalEntry entry = Begin();
  ASSERT_THAT(log_->Pending().value(), SizeIs(1));
  EXPECT_THAT(log_->Audit(0, 10).value(), IsEmpty());
  ASSERT_TRUE(log_->Finish(entry, "done", "cup on node1", std::nullopt));
  EXPECT_THAT(log_->Pending().value(), IsEmpty());
  const auto records = log_->Audit(0, 10).value();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].sequence, 1);
  EXPECT_EQ(records[0].operation, entry.id);
  EXPECT_EQ(records[0].origin.actor, "uid:1000 (ada)");
  EXPECT_EQ(records[0].outcome, "done");
  EXPECT_EQ(records[0].detail, "cup on node1");
  EXPECT_EQ(records[0].time, clock_.Now());
}

TEST_F(NodeLogTest, OperationIdsAre24HexDigitsThatSortByTime) {
  std::string last;
  for (int i = 0; i < 100; ++i) {
    if (i == 50) clock_.Move(std::chrono::seconds(1));
    const JournalEntry entry = Begin();
    EXPECT_EQ(entry.id.size(), 24u);
    EXPECT_EQ(entry.id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_GT(entry.id, last);
    last = entry.id;
  }
  EXPECT_EQ(std::stoll(last.substr(0, 12), nullptr, 16) / 1000,
            clock_.Now().time_since_epoch().count());
}

TEST_F(NodeLogTest, OperationFinishedTwiceIsADefectAndAuditedOnce) {
  const JournalEntry entry = Begin();
  ASSERT_TRUE(log_->Finish(entry, "done", "", std::nullopt));
  EXPECT_EQ(log_->Finish(entry, "done", "", std::nullopt).error().kind, Kind::kInternal);
  EXPECT_THAT(log_->Audit(0, 10).value(), SizeIs(1));
}

TEST_F(NodeLogTest, NoteIsARecordWithoutAnOperation) {
  ASSERT_TRUE(log_->Note(Origin(), "denied:ROLE", "not allowed"));
  const auto records = log_->Audit(0, 10).value();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].operation, "");
  EXPECT_EQ(records[0].outcome, "denied:ROLE");
}

TEST_F(NodeLogTest, AuditIsReadInPages) {
  Write(7);
  EXPECT_THAT(log_->Audit(0, 3).value(), SizeIs(3));
  const auto page = log_->Audit(3, 10).value();
  ASSERT_THAT(page, SizeIs(4));
  EXPECT_EQ(page[0].sequence, 4);
}

TEST_F(NodeLogTest, TextFromOutsideBecomesOneLine) {
  ChangeOrigin origin = Origin();
  origin.actor = "cert:CN=a\r\nroot\x1b[31m";
  ASSERT_TRUE(log_->Note(origin, "done", std::string("x\0y", 3) + "\xe2\x80\xa8z\xe2\x80\xae"));
  const AuditRecord record = log_->Audit(0, 1).value().front();
  for (const std::string& text : {record.origin.actor, record.detail}) {
    for (const char c : text) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text;
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80")));
  }
  EXPECT_EQ(Verify().first_bad, 0);
}

TEST_F(NodeLogTest, WholeChainVerifies) {
  EXPECT_EQ(Verify().problem, "");
  Write(1203);
  const AuditVerdict verdict = Verify();
  EXPECT_EQ(verdict.first_bad, 0) << verdict.problem;
  EXPECT_EQ(verdict.records, 1203);
  EXPECT_EQ(verdict.head, log_->Audit(1202, 1).value().front().hash);
}

TEST_F(NodeLogTest, ChainContinuesAfterReopening) {
  Write(3);
  Open(false);
  Write(3);
  EXPECT_EQ(Verify().first_bad, 0);
  EXPECT_EQ(Verify().records, 6);
}

TEST_F(NodeLogTest, EveryEditedFieldIsFound) {
  Write(5);
  for (const char* edit :
       {"time = time - 60", "actor = 'x'", "role = 'auditor'", "origin = 'x'", "method = 'x'",
        "digest = 'x'", "idempotency_key = 'x'", "operation = 'x'", "outcome = 'failed:X'",
        "detail = ''", "previous = hash", "hash = previous"}) {
    log_.reset();
    std::filesystem::copy_file(path_, scratch_.File("good"),
                               std::filesystem::copy_options::overwrite_existing);
    const AuditVerdict verdict =
        Tamper(std::string("UPDATE audit SET ") + edit + " WHERE sequence = 3");
    EXPECT_EQ(verdict.first_bad, 3) << edit;
    EXPECT_NE(verdict.problem, "");
    log_.reset();
    std::filesystem::copy_file(scratch_.File("good"), path_,
                               std::filesystem::copy_options::overwrite_existing);
    Open(false);
  }
}

TEST_F(NodeLogTest, DeletedRecordIsFound) {
  Write(5);
  EXPECT_EQ(Tamper("DELETE FROM audit WHERE sequence = 2").first_bad, 2);
}

TEST_F(NodeLogTest, DeletedAndRenumberedRecordIsFound) {
  Write(5);
  EXPECT_EQ(Tamper("DELETE FROM audit WHERE sequence = 2;"
                   "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 2")
                .first_bad,
            2);
}

TEST_F(NodeLogTest, CutTailIsFound) {
  Write(5);
  const AuditVerdict verdict = Tamper("DELETE FROM audit WHERE sequence > 3");
  EXPECT_EQ(verdict.first_bad, 4);
  EXPECT_THAT(verdict.problem, HasSubstr("end of the log"));
}

TEST_F(NodeLogTest, EmptiedLogIsFound) {
  Write(5);
  EXPECT_EQ(Tamper("DELETE FROM audit").first_bad, 1);
}

TEST_F(NodeLogTest, ReorderedRecordsAreFound) {
  Write(5);
  EXPECT_EQ(Tamper("UPDATE audit SET sequence = 100 WHERE sequence = 2;"
                   "UPDATE audit SET sequence = 2 WHERE sequence = 4;"
                   "UPDATE audit SET sequence = 4 WHERE sequence = 100")
                .first_bad,
            2);
}

TEST_F(NodeLogTest, RecordAddedFromOutsideIsFound) {
  Write(5);
  EXPECT_EQ(Tamper("INSERT INTO audit SELECT 6, time, actor, role, origin, method, digest,"
                   "idempotency_key, operation, outcome, detail, hash, hash FROM audit "
                   "WHERE sequence = 5")
                .first_bad,
            6);
}

TEST_F(NodeLogTest, RewrittenLastRecordWithAFittingHashIsFoundByTheHead) {
  Write(5);
  AuditRecord record = log_->Audit(4, 1).value().front();
  record.detail = "innocent";
  EXPECT_EQ(Tamper("UPDATE audit SET detail = 'innocent', hash = '" + AuditHash(record) +
                   "' WHERE sequence = 5")
                .first_bad,
            5);
}

TEST_F(NodeLogTest, MissingHeadIsFoundAndNothingMoreIsWritten) {
  Write(2);
  EXPECT_NE(Tamper("DELETE FROM audit_head").first_bad, 0);
  EXPECT_EQ(log_->Note(Origin(), "done", "").error().word, "STATE_DAMAGED");
}

TEST_F(NodeLogTest, ThirdPartyRecomputesTheHashes) {
  Write(3);
  ASSERT_TRUE(log_->Note(Origin("k\"\\ü"), "failed:X", "quote \" backslash \\ tab \t ü 漢 / end"));
  log_.reset();
  const std::string script = scratch_.File("verify.py");
  std::ofstream(script) << R"(
import hashlib, json, sqlite3, sys
last = '0' * 64
rows = list(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM audit ORDER BY sequence'))
for row in rows:
    assert row[11] == last
    text = json.dumps(['signet-audit-1', *row[:12]], ensure_ascii=False, separators=(',', ':'))
    last = hashlib.sha256(text.encode()).hexdigest()
    assert row[12] == last, (row, text)
assert len(rows) == 4
)";
  EXPECT_EQ(std::system(("/usr/bin/python3 " + script + " " + path_).c_str()), 0);
}

TEST_F(NodeLogTest, ResultIsFoundByActorAndKeyForADay) {
  ASSERT_TRUE(log_->Finish(Begin(Origin("k1")), "done", "", R"({"id":1})"));
  const auto found = log_->FindResult("uid:1000 (ada)", "k1").value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->result, R"({"id":1})");
  EXPECT_EQ(found->method, "csr.generate");
  EXPECT_EQ(found->digest, std::string(64, 'd'));
  EXPECT_FALSE(log_->FindResult("uid:1001", "k1").value());
  EXPECT_FALSE(log_->FindResult("uid:1000 (ada)", "k2").value());
  clock_.Move(std::chrono::hours(24) - std::chrono::seconds(1));
  EXPECT_TRUE(log_->FindResult("uid:1000 (ada)", "k1").value());
  clock_.Move(std::chrono::seconds(1));
  EXPECT_FALSE(log_->FindResult("uid:1000 (ada)", "k1").value());
}

TEST_F(NodeLogTest, NoKeyOrNoResultKeepsNothing) {
  ASSERT_TRUE(log_->Finish(Begin(Origin("")), "done", "", "{}"));
  ASSERT_TRUE(log_->Finish(Begin(Origin("k")), "failed:X", "", std::nullopt));
  EXPECT_FALSE(log_->FindResult("uid:1000 (ada)", "").value());
  EXPECT_FALSE(log_->FindResult("uid:1000 (ada)", "k").value());
}

TEST_F(NodeLogTest, OldResultsAreRemovedFromTheFile) {
  ASSERT_TRUE(log_->Finish(Begin(Origin("old")), "done", "", "{}"));
  clock_.Move(std::chrono::hours(25));
  ASSERT_TRUE(log_->Finish(Begin(Origin("new")), "done", "", "{}"));
  SQLite::Database file(path_, SQLite::OPEN_READWRITE);
  EXPECT_EQ(file.execAndGet("SELECT count(*) FROM idempotency").getInt(), 1);
}

TEST_F(NodeLogTest, AbsentLogIsMissingState) {
  EXPECT_EQ(NodeLog::Open(scratch_.File("other.db"), false, clock_).error().word, "STATE_MISSING");
}

TEST_F(NodeLogTest, BegunOperationsOfAKilledProcessArePendingAndTheChainIsWhole) {
  log_.reset();
  std::set<std::string> expected;
  std::int64_t finished = 0;
  for (int round = 0; round < 15; ++round) {
    // Every operation with an odd number is left open; the child tells of each step it got through.
    const auto steps = KillWhileWriting(4u + static_cast<std::size_t>(round), [&](int pipe) {
      const auto log = NodeLog::Open(path_, false, clock_).value();
      for (std::int64_t i = 0;; ++i) {
        ChangeOrigin origin = Origin();
        origin.method = "round" + std::to_string(round) + "." + std::to_string(i);
        const auto entry = log->Begin(origin);
        if (!entry) ::_exit(3);
        if (i % 2 == 1) {
          Acknowledge(pipe, i);
          continue;
        }
        if (!log->Finish(entry.value(), "done", "", std::nullopt)) ::_exit(4);
        Acknowledge(pipe, i);
      }
    });
    for (const std::int64_t i : steps) {
      if (i % 2 == 1) expected.insert("round" + std::to_string(round) + "." + std::to_string(i));
      if (i % 2 == 0) ++finished;
    }
    Open(false);
    std::set<std::string> pending;
    const std::vector<JournalEntry> entries = log_->Pending().value();
    for (const JournalEntry& entry : entries) pending.insert(entry.origin.method);
    for (const std::string& method : expected) EXPECT_TRUE(pending.contains(method)) << method;
    EXPECT_LE(pending.size(), expected.size() + static_cast<std::size_t>(round) + 1);
    const AuditVerdict verdict = Verify();
    EXPECT_EQ(verdict.first_bad, 0) << verdict.problem;
    EXPECT_GE(verdict.records, finished);
    log_.reset();
  }
}

TEST_F(NodeLogTest, ThreadsShareOneChain) {
  const auto work = [&] {
    for (int i = 0; i < 50; ++i) {
      const JournalEntry entry = Begin(Origin("k" + std::to_string(i)));
      EXPECT_TRUE(log_->Finish(entry, "done", "", "{}"));
      EXPECT_TRUE(log_->FindResult("uid:1000 (ada)", "k" + std::to_string(i)).value());
      if (i % 10 == 0) {
        EXPECT_EQ(Verify().first_bad, 0);
      }
    }
  };
  std::thread one(work), two(work);
  one.join();
  two.join();
  EXPECT_EQ(Verify().first_bad, 0);
  EXPECT_EQ(Verify().records, 100);
}

}  // namespace
}  // namespace signet::keystore
