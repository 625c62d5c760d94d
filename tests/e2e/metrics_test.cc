// GET /metrics of the real daemon, read by Prometheus' own tool; and that alerts and dashboard ask
// for what there is.
#include <gmock/gmock.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/appliance.h"

namespace signet::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::SizeIs;

class Metrics : public ::testing::Test {
 protected:
  std::string Scrape() const {
    const auto [status, body] = appliance_.Get("/metrics");
    EXPECT_EQ(status, 200);
    return body;
  }
  // Samples of a name that contain all of `parts`.
  std::vector<std::string> Samples(const std::string& name,
                                   const std::vector<std::string>& parts = {}) const {
    std::istringstream text(Scrape());
    std::vector<std::string> found;
    for (std::string line; std::getline(text, line);) {
      if (line.substr(0, line.find_first_of("{ ")) != name) continue;
      bool all = true;
      for (const std::string& part : parts) all = all && line.find(part) != std::string::npos;
      if (all) found.push_back(line);
    }
    return found;
  }
  static double ValueOf(const std::string& sample) {
    return std::stod(sample.substr(sample.rfind(' ') + 1));
  }
  double Value(const std::string& name, const std::vector<std::string>& parts = {}) const {
    const std::vector<std::string> found = Samples(name, parts);
    EXPECT_THAT(found, SizeIs(1)) << name;
    return found.empty() ? -1 : ValueOf(found.front());
  }
  // A self-signed CA with this name; each has a key of its own.
  std::string Make(const std::string& file, const std::string& cn, const std::string& serial) {
    const std::string path = appliance_.Spare(file);
    MustRun({"openssl",
             "req",
             "-x509",
             "-newkey",
             "ec",
             "-pkeyopt",
             "ec_paramgen_curve:P-256",
             "-nodes",
             "-keyout",
             path + ".key",
             "-out",
             path,
             "-set_serial",
             serial,
             "-days",
             "400",
             "-utf8",
             "-subj",
             "/CN=" + cn,
             "-addext",
             "basicConstraints=critical,CA:TRUE",
             "-addext",
             "keyUsage=critical,keyCertSign,cRLSign"});
    return path;
  }
  void Trust(const std::string& file) const {
    const Outcome trusted = appliance_.Cli({"trust", "upload", "tomcat-trust", file, "--yes"});
    ASSERT_EQ(trusted.code, 0) << trusted.err;
  }
  // What Prometheus' tool says, and samples that are there twice, which it does not see; empty: all
  // is well.
  std::string Complaints() const {
    const std::string text = Scrape();
    const Outcome check = RunProgram({"promtool", "check", "metrics"}, {text, "", {}});
    std::string complaints = check.out + check.err;
    if (check.code != 0) complaints += "it ended with " + std::to_string(check.code);
    std::set<std::string> seen;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.front() == '#') continue;
      if (!seen.insert(line.substr(0, line.rfind(' '))).second) complaints += "\ntwice: " + line;
    }
    return complaints;
  }

  Appliance appliance_;
};

TEST_F(Metrics, PrometheusHasNothingToSayAgainstThem) {
  appliance_.StartAndWait();
  EXPECT_THAT(Complaints(), IsEmpty());
  // The tool does find what is wrong.
  const Outcome wrong = RunProgram({"promtool", "check", "metrics"},
                                   {Scrape() + "# TYPE more counter\nmore 1\n", "", {}});
  EXPECT_NE(wrong.code, 0);
}

TEST_F(Metrics, CertificatesThatLookAlikeAndHostileNamesAreRowsOfTheirOwn) {
  appliance_.StartAndWait();
  Trust(Make("1.pem", "twin", "77"));
  Trust(Make("2.pem", "twin", "77"));
  Trust(Make("3.pem", "x\"} 1 {y=\\\\, # z", "78"));
  EXPECT_THAT(Complaints(), IsEmpty());
  EXPECT_THAT(Samples("x509_cert_not_after",
                      {"place=\"tomcat-trust\"", "subject_CN=\"twin\"", "serial_number=\"4d\""}),
              SizeIs(2));
  EXPECT_THAT(Samples("x509_cert_not_after", {"place=\"tomcat-trust\"", "serial_number=\"4e\""}),
              SizeIs(1));
  EXPECT_GE(Value("signet_trust_entries", {"store=\"tomcat-trust\""}), 3);
}

TEST_F(Metrics, TheEndOfACertificateIsTheOneThatIsServed) {
  appliance_.StartAndWait();
  const json::value shown = appliance_.MustRpc("certificate.show", {{"purpose", "tomcat"}});
  const std::string file = appliance_.Spare("served.pem");
  WriteWhole(file, appliance_.ServedChain().front());
  const std::string end = MustRun(
      {"date", "-d",
       MustRun({"openssl", "x509", "-in", file, "-noout", "-enddate", "-dateopt", "iso_8601"})
           .substr(9),
       "+%s"});
  bool found = false;
  for (const std::string& sample : Samples("x509_cert_not_after", {"kind=\"identity\""}))
    found = found || ValueOf(sample) == std::stod(end);
  EXPECT_TRUE(found) << end << json::serialize(shown);
  const double begun = Value("process_start_time_seconds");
  EXPECT_NEAR(begun, static_cast<double>(std::time(nullptr)), 300);
}

TEST_F(Metrics, RunsCsrsAndSignaturesAreCounted) {
  appliance_.StartAndWait();
  EXPECT_THAT(Samples("signet_monitor_last_run_timestamp_seconds"), IsEmpty());
  EXPECT_EQ(Value("signet_monitor_running"), 1);
  ASSERT_EQ(appliance_.Cli({"monitor", "run"}).code, 0);
  EXPECT_NEAR(Value("signet_monitor_last_run_timestamp_seconds"),
              static_cast<double>(std::time(nullptr)), 60);
  EXPECT_EQ(Value("signet_pending_csrs"), 0);
  ASSERT_EQ(appliance_.Cli({"csr", "generate", "cup"}).code, 0);
  EXPECT_EQ(Value("signet_pending_csrs"), 1);
  EXPECT_NEAR(Value("signet_oldest_csr_created_timestamp_seconds"),
              static_cast<double>(std::time(nullptr)), 60);
  EXPECT_EQ(Value("signet_signatures_unaccounted"), 0);
  EXPECT_THAT(Samples("signet_lscs"), IsEmpty()) << "they are not watched";
  ASSERT_EQ(appliance_.Cli({"monitor", "set", "--lsc", "on"}).code, 0);
  ASSERT_EQ(appliance_.Cli({"monitor", "run"}).code, 0);
  EXPECT_EQ(Value("signet_lscs", {"state=\"good\""}), 0);
}

// A name that is misspelled there would be silent for ever.
TEST_F(Metrics, AlertsAndDashboardAskForWhatThereIs) {
  appliance_.StartAndWait();
  std::set<std::string> exported;
  std::istringstream text(Scrape());
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("# TYPE ")) exported.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  const std::regex name(R"(\b(signet|x509|process)_[a-z0-9_]+)");
  std::set<std::string> asked;
  for (const char* file : {"prometheus/signet.rules.yml", "grafana/signet.json"}) {
    const std::string content = ReadWhole(std::string(SIGNET_TOOLS "/") + file);
    for (std::sregex_iterator at(content.begin(), content.end(), name), end; at != end; ++at)
      asked.insert(at->str());
  }
  EXPECT_THAT(asked, SizeIs(::testing::Gt(30)));
  EXPECT_THAT(asked, IsSubsetOf(exported));
  EXPECT_THAT(exported, Contains("signet_build_info"));
}

}  // namespace
}  // namespace signet::testing
