// `signet chain check`: the suites of other projects where they are at hand, and files of cases
// that are none.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <sstream>

#include "tests/tools/cli_runner.h"

namespace signet::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<json::object> Lines(const std::string& text) {
  std::vector<json::object> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    all.push_back(json::parse(line).as_object());
  }
  return all;
}
std::string Text(const json::object& object, json::string_view member) {
  return std::string(object.at(member).as_string());
}

// --- the suites
struct Outcome {
  std::string suite, tier, expect, verdict;
  bool right() const { return expect == verdict; }
};

class Conformance : public CliTest {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SIGNET_CONFORMANCE");
    if (folder == nullptr || *folder == '\0') {
      GTEST_SKIP() << "SIGNET_CONFORMANCE is unset: the suites of other projects are not at hand";
    }
    const std::string cases = std::string(folder) + "/chains.jsonl";
    const Ran ran = Signet({"chain", "check", "--cases", cases});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.err, "");
    for (const json::object& row : Lines(ReadFile(cases))) {
      order_.push_back(Text(row, "id"));
      outcomes_[order_.back()] = {Text(row, "suite"), Text(row, "tier"), Text(row, "expect"), ""};
    }
    std::vector<std::string> judged;
    for (const json::object& line : Lines(ran.out)) {
      judged.push_back(Text(line, "id"));
      outcomes_[judged.back()].verdict = Text(line, "verdict");
    }
    ASSERT_EQ(judged, order_);
    ASSERT_GT(order_.size(), 500u);
  }

  std::vector<std::string> order_;
  std::map<std::string, Outcome> outcomes_;
};

// ABUSE 54, 55.
TEST_F(Conformance, EveryCoreRowIsRight) {
  for (const auto& [id, outcome] : outcomes_) {
    if (outcome.tier == "core") {
      EXPECT_EQ(outcome.verdict, outcome.expect) << id;
    }
  }
}

// The cells of each table line of keystore/README.md.
std::vector<std::vector<std::string>> ReadmeRows() {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(ReadFile(KEYSTORE_README));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    std::vector<std::string> cells;
    std::istringstream rest(line.substr(2));
    for (std::string cell; std::getline(rest, cell, '|');) {
      while (!cell.empty() && cell.back() == ' ') cell.pop_back();
      cells.push_back(cell.substr(std::min(cell.find_first_not_of(' '), cell.size())));
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

TEST_F(Conformance, TheReadmeNamesEachWrongRowWithItsReasonWrongAcceptsFirst) {
  std::map<std::string, std::pair<std::string, std::string>> wrong, written;
  for (const auto& [id, outcome] : outcomes_) {
    if (outcome.tier == "info" || outcome.right()) continue;
    wrong[id] = {outcome.expect, outcome.verdict};
  }
  bool rejects_begun = false;
  for (const auto& cells : ReadmeRows()) {
    if (cells.size() != 4 || cells[0] == "row") continue;
    written[cells[0]] = {cells[1], cells[2]};
    EXPECT_GE(cells[3].size(), 8u) << cells[0] << " has no reason";
    EXPECT_FALSE(rejects_begun && cells[2] == "accept") << cells[0] << " stands below rejects";
    rejects_begun = rejects_begun || cells[2] == "reject";
  }
  EXPECT_EQ(written, wrong);
}

TEST_F(Conformance, TheReadmeCountsAreThoseOfTheCommand) {
  std::map<std::string, std::map<std::string, std::pair<int, int>>> counts;
  for (const auto& [id, outcome] : outcomes_) {
    auto& [right, all] = counts[outcome.suite][outcome.tier];
    right += outcome.right() ? 1 : 0;
    ++all;
  }
  const auto cell = [](const std::pair<int, int>& count) {
    return std::to_string(count.first) + "/" + std::to_string(count.second);
  };
  std::map<std::string, std::pair<std::string, std::string>> written, counted;
  for (const auto& cells : ReadmeRows()) {
    if (cells.size() == 3 && cells[0] != "suite") written[cells[0]] = {cells[1], cells[2]};
  }
  for (auto& [suite, tiers] : counts) {
    counted[suite] = {cell(tiers["core"]), cell(tiers["beyond-openssl"])};
  }
  EXPECT_EQ(written, counted);
}

// --- rows of our own
std::string CertFile(const std::string& name) {
  return std::string(SIGNET_TEST_CERTS) + "/" + name;
}
json::value Value(const std::string& text) { return json::string(text); }
json::value Certs(const std::string& name) { return Value(CertFile(name)); }

// A row about the leaf below root, int1 and int2.
json::object Row(const std::string& id) {
  return {{"id", id},
          {"profile", "strict"},
          {"time", "2026-06-01T00:00:00.5+00:00"},
          {"purpose", nullptr},
          {"peer_name", nullptr},
          {"peer", Certs("leaf.pem")},
          {"untrusted", {Certs("int1.pem"), Certs("int2.der")}},
          {"trusted", {Certs("root.pem")}},
          {"crls", json::array()},
          {"crl_check", false},
          {"reason", "members that are not read are no fault"}};
}
json::object Row(const std::string& id, json::string_view member, json::value value) {
  json::object row = Row(id);
  row[member] = std::move(value);
  return row;
}

class ChainCheck : public CliTest {
 protected:
  Ran Check(const std::string& content) {
    return Signet({"chain", "check", "--cases", WriteFile("cases.jsonl", content)});
  }
  // The verdict of one row, with the ids of its errors: "reject: EXPIRED".
  std::string Judge(const json::object& row) {
    const Ran ran = Check(json::serialize(row) + "\n");
    if (ran.code != 0) return "exit " + std::to_string(ran.code);
    const json::object line = Lines(ran.out).front();
    std::string out = Text(line, "verdict");
    for (const json::value& value : line.at("findings").as_array()) {
      const json::object& finding = value.as_object();
      if (Text(finding, "severity") != "error") continue;
      out += (out == "reject" ? ": " : " ") + Text(finding, "id");
    }
    return out;
  }
};

TEST_F(ChainCheck, ALineIsIdVerdictAndFindings) {
  const Ran ran = Check(json::serialize(Row("a \"b\"\n", "time", "2030-01-01T00:00:00Z")) + "\n\n" +
                        json::serialize(Row("second")));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const auto lines = Lines(ran.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(Text(lines[0], "id"), "a \"b\"\n");
  EXPECT_EQ(Text(lines[0], "verdict"), "reject");
  const json::array& findings = lines[0].at("findings").as_array();
  const auto error = std::find_if(findings.begin(), findings.end(), [](const json::value& f) {
    return Text(f.as_object(), "severity") == "error";
  });
  ASSERT_NE(error, findings.end());
  const json::object& finding = error->as_object();
  EXPECT_EQ(Text(finding, "id"), "EXPIRED");
  EXPECT_EQ(Text(finding, "certificate").size(), 64u);
  EXPECT_THAT(Text(finding, "text"), HasSubstr("expired on 2027-01-01"));
  EXPECT_EQ(Text(lines[1], "verdict"), "accept");
}

TEST_F(ChainCheck, PathsAreRelativeToTheCasesFile) {
  WriteFile("leaf.pem", ReadFile(CertFile("leaf.pem")));
  EXPECT_EQ(Judge(Row("r", "peer", "leaf.pem")), "accept");
  const Ran ran = Signet({"chain", "check", "--cases", "cases.jsonl"});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(ChainCheck, EachMemberOfARowCounts) {
  EXPECT_EQ(Judge(Row("r", "purpose", "server")), "accept");
  EXPECT_EQ(Judge(Row("r", "peer_name", {{"kind", "DNS"}, {"value", "a.example.com"}})), "accept");
  EXPECT_EQ(Judge(Row("r", "peer_name", {{"kind", "DNS"}, {"value", "b.example.com"}})),
            "reject: PEER_NAME_MISMATCH");
  EXPECT_EQ(Judge(Row("r", "max_chain_depth", 1)), "reject: TOO_MANY_INTERMEDIATES");
  EXPECT_EQ(Judge(Row("r", "max_chain_depth", 2)), "accept");
  EXPECT_EQ(Judge(Row("r", "eku", json::array{"codeSigning"})), "reject: EKU_NOT_ALLOWED");
  EXPECT_EQ(Judge(Row("r", "eku", json::array{"1.3.6.1.5.5.7.3.1"})), "accept");
  EXPECT_EQ(Judge(Row("r", "key_usage", json::array{"cRLSign"})), "reject: KEY_USAGE_NOT_ALLOWED");
  EXPECT_EQ(Judge(Row("r", "crl_check", true)),
            "reject: REVOCATION_UNKNOWN REVOCATION_UNKNOWN REVOCATION_UNKNOWN");
  EXPECT_EQ(Judge(Row("r", "policy", {{"InitialExplicitPolicy", "true"}})),
            "reject: POLICY_INVALID");
  EXPECT_EQ(Judge(Row("r", "trusted", json::array())), "reject: CHAIN_INCOMPLETE");
  json::object row = Row("r", "peer", Certs("short-key.der"));
  EXPECT_EQ(Judge(row), "reject: KEY_WEAK");
  row["profile"] = "legacy";
  EXPECT_EQ(Judge(row), "accept");
  row = Row("r", "crls", json::array{Certs("above.crl"), Certs("revoking.crl")});
  EXPECT_EQ(Judge(row), "accept");
  row["crl_check"] = true;
  EXPECT_EQ(Judge(row), "reject: REVOKED");
}

TEST_F(ChainCheck, RefusedFilesAreFindings) {
  EXPECT_EQ(Judge(Row("r", "peer", Certs("ec-explicit.der"))), "reject: KEY_UNSUPPORTED");
  EXPECT_EQ(Judge(Row("r", "trusted", json::array{Value(WriteFile("empty", ""))})),
            "reject: UPLOAD_EMPTY");
  EXPECT_EQ(Judge(Row("r", "untrusted",
                      json::array{Value(WriteFile("junk", std::string(100000, '\x30')))})),
            "reject: PEM_MALFORMED");
  EXPECT_EQ(Judge(Row("r", "crls", json::array{Certs("leaf.pem")})), "reject: CRL_MALFORMED");
}

TEST_F(ChainCheck, WithoutAFileItIsAUsageError) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"chain", "check"},
                                                {"chain", "check", "--cases"},
                                                {"chain", "check", "--cases", ""},
                                                {"chain", "check", "--cases", "absent.jsonl"},
                                                {"chain", "check", "--cases", "."},
                                                {"chain", "check", "x.jsonl"}}) {
    const Ran ran = Signet(words);
    EXPECT_EQ(ran.code, 2) << ::testing::PrintToString(words);
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.err, HasSubstr("remedy: ")) << ::testing::PrintToString(words);
  }
}

TEST_F(ChainCheck, ABadLineIsReportedByNumberAndTheOthersAreJudged) {
  const std::string good = json::serialize(Row("good")) + "\n";
  const std::vector<std::string> bad = {
      "{",
      "[]",
      "null",
      "\"text\"",
      "{}",
      "{\"id\":\"x\",\"id\":\"y\"}",
      "\xff\xfe",
      std::string(100000, '['),
      "{\"id\":\"" + std::string(2u << 20, 'a') + "\"}",
      json::serialize(Row("")),
      json::serialize(Row("r", "id", 7)),
      json::serialize(Row("r", "time", "yesterday")),
      json::serialize(Row("r", "time", 5)),
      json::serialize(Row("r", "purpose", "any")),
      json::serialize(Row("r", "profile", nullptr)),
      json::serialize(Row("r", "profile", "lax")),
      json::serialize(Row("r", "peer", json::array())),
      json::serialize(Row("r", "peer", "")),
      json::serialize(Row("r", "peer", "absent.pem")),
      json::serialize(Row("r", "peer", "../../../../../../../../etc")),
      json::serialize(Row("r", "peer", "/dev/zero")),
      json::serialize(Row("r", "peer", Value(std::string("a\0b", 3)))),
      json::serialize(Row("r", "trusted", "root.pem")),
      json::serialize(Row("r", "trusted", json::array(101, Certs("root.pem")))),
      json::serialize(Row("r", "peer_name", "a.example.com")),
      json::serialize(Row("r", "peer_name", {{"kind", "URI"}, {"value", "a"}})),
      json::serialize(Row("r", "crl_check", "true")),
      json::serialize(Row("r", "max_chain_depth", "1")),
      json::serialize(Row("r", "eku", json::array{"noSuchUsage"})),
      json::serialize(Row("r", "eku", json::array{1})),
      json::serialize(Row("r", "key_usage", json::array{"sign"})),
      json::serialize(Row("r", "policy", "any")),
      json::serialize(Row("r", "policy", {{"InitialPolicySet", "no,policy"}})),
      json::serialize(Row("r", "policy", {{"InitialExplicitPolicy", 1}})),
  };
  for (const std::string& line : bad) {
    const Ran ran = Check(good + line + "\n" + good);
    EXPECT_EQ(ran.code, 2) << line.substr(0, 200);
    EXPECT_THAT(ran.err, HasSubstr("line 2: ")) << line.substr(0, 200);
    EXPECT_EQ(Lines(ran.out).size(), 2u) << line.substr(0, 200);
  }
}

TEST_F(ChainCheck, AnEmptyFileHasNothingToJudge) {
  const Ran ran = Check("");
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "");
}

TEST_F(ChainCheck, ManyBadLinesAreCountedNotRepeated) {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "{\n";
  const Ran ran = Check(lines);
  EXPECT_EQ(ran.code, 2);
  EXPECT_LT(ran.err.size(), 100000u);
  EXPECT_THAT(ran.err, HasSubstr("5000 of the lines could not be judged"));
}

TEST_F(ChainCheck, ADaemonIsNotAskedFor) {
  const std::string cases = WriteFile("cases.jsonl", json::serialize(Row("r")));
  const Ran ran = Signet({"chain", "check", "--cases", cases}, "", "SIGNET_SOCKET=/nowhere");
  EXPECT_EQ(ran.code, 0) << ran.err;
}

// Meshes, deep chains, constraints times names: the work of a row is bounded.
TEST_F(ChainCheck, HostileRowsEndSoon) {
  json::array mesh;
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 9; ++j) {
      if (i == j) continue;
      mesh.push_back(Certs("mesh-" + std::to_string(i) + "-" + std::to_string(j) + ".der"));
    }
  }
  json::object row = Row("mesh", "peer", Certs("mesh-leaf.der"));
  row["untrusted"] = mesh;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Judge(row), HasSubstr("reject"));
  row["trusted"] = json::array{Certs("mesh-root.der")};
  EXPECT_NE(Judge(row), "");
  EXPECT_THAT(Judge(Row("deep", "untrusted", json::array{Certs("deep.pem")})), HasSubstr("reject"));
  row = Row("names", "peer", Certs("hostile-names.der"));
  row["untrusted"] = json::array{Certs("hostile-names.pem")};
  EXPECT_EQ(Judge(row), "reject: CHAIN_TOO_COMPLEX");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

}  // namespace
}  // namespace signet::tools
