// `signet revocation check-responses`: the suites of other projects where they are at hand, and
// files of cases that are none.
#include <cstdlib>
#include <sstream>

#include "tests/tools/cli_runner.h"

namespace signet::tools {
namespace {

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
  const json::value* value = object.if_contains(member);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

class ResponseCheck : public CliTest {
 protected:
  Ran Check(const std::string& cases) {
    return Signet({"revocation", "check-responses", "--cases", cases}, "",
                  "SIGNET_SOCKET=/nowhere");
  }
};

// ABUSE 107-112, as other projects know them. Two rows may share one id.
TEST_F(ResponseCheck, EveryCountedRowOfTheSuitesIsRight) {
  const char* folder = std::getenv("SIGNET_CONFORMANCE");
  if (folder == nullptr || *folder == '\0') {
    GTEST_SKIP() << "SIGNET_CONFORMANCE is unset: the suites of other projects are not at hand";
  }
  const std::string cases = std::string(folder) + "/ocsp.jsonl";
  const Ran ran = Check(cases);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const auto rows = Lines(ReadFile(cases));
  const auto judged = Lines(ran.out);
  ASSERT_GT(rows.size(), 70u);
  ASSERT_EQ(judged.size(), rows.size());
  std::size_t right = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string id = Text(rows[i], "id");
    ASSERT_EQ(Text(judged[i], "id"), id);
    const bool of_status = Text(rows[i], "kind") == "ocsp";
    const std::string answer = Text(judged[i], of_status ? "status" : "verdict");
    const std::string expected = Text(rows[i], "expect");
    right += answer == expected ? 1 : 0;
    if (Text(rows[i], "note").find("treat as information") != std::string::npos) continue;
    EXPECT_EQ(answer, expected) << id << " " << Text(judged[i], "word");
  }
  EXPECT_THAT(ReadFile(KEYSTORE_README),
              HasSubstr(std::to_string(right) + " of " + std::to_string(rows.size()) + " right"));
}

// --- rows of our own
json::value Value(const std::string& text) { return json::string(text); }
json::value Made(const std::string& name) {
  return Value(std::string(SIGNET_TEST_CERTS) + "/ocsp/" + name);
}
json::object StatusRow() {
  return {{"id", "s"},
          {"kind", "ocsp"},
          {"response", Made("good.ocsp")},
          {"cert", Made("leaf.pem")},
          {"issuer", Made("ca.pem")},
          {"validation_time", "2026-06-01T00:00:00+00:00"},
          {"reason", "members that are not read are no fault"}};
}
json::object SignerRow() {
  return {{"id", "v"},
          {"kind", "ocsp_sig"},
          {"response", Made("good.ocsp")},
          {"trusted", Made("root.pem")},
          {"untrusted", Made("ca.pem")},
          {"untrusted_option", "-verify_other"},
          {"partial_chain", false},
          {"no_cert_checks", false},
          {"validation_time", "2026-06-01T00:00:00+00:00"}};
}
json::object With(json::object row, json::string_view member, json::value value) {
  row[member] = std::move(value);
  return row;
}

class OwnRows : public ResponseCheck {
 protected:
  // "good OCSP_GOOD"
  std::string Judge(const json::object& row) {
    const Ran ran = Check(WriteFile("cases.jsonl", json::serialize(row) + "\n"));
    if (ran.code != 0) return "exit " + std::to_string(ran.code);
    const json::object line = Lines(ran.out).front();
    return Text(line, "status") + Text(line, "verdict") + " " + Text(line, "word");
  }
};

TEST_F(OwnRows, ALineIsIdStatusOrVerdictAndTheReason) {
  const Ran ran = Check(WriteFile(
      "cases.jsonl", json::serialize(StatusRow()) + "\n\n" + json::serialize(SignerRow())));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "{\"id\":\"s\",\"status\":\"good\",\"word\":\"OCSP_GOOD\"}\n"
            "{\"id\":\"v\",\"verdict\":\"accept\",\"word\":\"\"}\n");
}

TEST_F(OwnRows, EachMemberOfARowCounts) {
  const json::object row = StatusRow();
  EXPECT_EQ(Judge(With(row, "response", Made("revoked.ocsp"))), "revoked OCSP_REVOKED");
  const json::object aged = With(row, "response", Made("no-next.ocsp"));
  EXPECT_EQ(Judge(aged), "unknown OCSP_STALE");
  EXPECT_EQ(Judge(With(aged, "max_age_s", 43200)), "good OCSP_GOOD");
  EXPECT_EQ(Judge(With(aged, "max_age_s", 43199)), "unknown OCSP_STALE");
  EXPECT_EQ(Judge(With(row, "cert", Made("other.pem"))), "unknown OCSP_WRONG_ID");
  EXPECT_EQ(Judge(With(row, "issuer", Made("root.pem"))), "unknown OCSP_WRONG_ISSUER");
  EXPECT_EQ(Judge(With(row, "validation_time", "2026-05-31T12:59:59Z")), "unknown OCSP_FUTURE");
  EXPECT_EQ(Judge(With(row, "validation_time", "2026-06-02T12:00:01Z")), "unknown OCSP_STALE");
  EXPECT_EQ(Judge(With(row, "response", Made("sha1.ocsp"))), "unknown OCSP_SIGNATURE_WEAK");
}

TEST_F(OwnRows, EachMemberOfASignersRowCounts) {
  const json::object row = SignerRow();
  EXPECT_EQ(Judge(With(row, "response", Made("sha1.ocsp"))), "accept ");
  EXPECT_EQ(Judge(With(row, "trusted", Made("leaf.pem"))), "reject OCSP_RESPONDER_UNTRUSTED");
  EXPECT_EQ(Judge(With(row, "untrusted", Made("leaf.pem"))), "reject OCSP_RESPONDER_UNAUTHORISED");
  const json::object partial = With(row, "trusted", Made("ca.pem"));
  EXPECT_EQ(Judge(partial), "reject OCSP_RESPONDER_UNTRUSTED");
  EXPECT_EQ(Judge(With(partial, "partial_chain", true)), "accept ");
  const json::object unfit = With(row, "response", Made("by-delegate-no-usage.ocsp"));
  EXPECT_EQ(Judge(unfit), "reject OCSP_RESPONDER_UNAUTHORISED");
  EXPECT_EQ(Judge(With(unfit, "no_cert_checks", true)), "accept ");
  EXPECT_EQ(Judge(With(row, "validation_time", "2040-01-01T00:00:00Z")),
            "reject OCSP_RESPONDER_UNAUTHORISED");
}

TEST_F(OwnRows, AFileThatIsRefusedIsAnAnswer) {
  const json::value junk = Value(WriteFile("junk", "junk"));
  EXPECT_EQ(Judge(With(StatusRow(), "cert", junk)).substr(0, 8), "unknown ");
  EXPECT_EQ(Judge(With(StatusRow(), "response", junk)), "unknown OCSP_MALFORMED");
  EXPECT_EQ(Judge(With(SignerRow(), "trusted", junk)).substr(0, 7), "reject ");
}

TEST_F(OwnRows, ABadLineIsReportedByNumberAndTheOthersAreJudged) {
  const std::string good = json::serialize(StatusRow()) + "\n";
  const std::vector<std::string> bad = {
      "{",
      "[]",
      json::serialize(With(StatusRow(), "id", "")),
      json::serialize(With(StatusRow(), "kind", "crl")),
      json::serialize(With(StatusRow(), "response", "absent.der")),
      json::serialize(With(StatusRow(), "response", json::array())),
      json::serialize(With(StatusRow(), "cert", nullptr)),
      json::serialize(With(StatusRow(), "issuer", "/dev/zero")),
      json::serialize(With(StatusRow(), "validation_time", "yesterday")),
      json::serialize(With(StatusRow(), "max_age_s", -1)),
      json::serialize(With(StatusRow(), "max_age_s", 1e300)),
      json::serialize(With(StatusRow(), "max_age_s", 9223372036854775807)),
      json::serialize(With(SignerRow(), "partial_chain", "yes")),
  };
  for (const std::string& line : bad) {
    const Ran ran = Check(WriteFile("cases.jsonl", good + line + "\n" + good));
    EXPECT_EQ(ran.code, 2) << line;
    EXPECT_THAT(ran.err, HasSubstr("line 2: ")) << line;
    EXPECT_EQ(Lines(ran.out).size(), 2u) << line;
  }
}

}  // namespace
}  // namespace signet::tools
