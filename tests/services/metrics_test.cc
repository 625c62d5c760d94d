// SPEC M1 and R1 in figures: what a scrape says of certificates, and of everything that alerts rest
// on.
#include "services/metrics/metrics.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "tests/services/publish_world.h"

namespace signet::services {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

const WallTime kNow = ParseTime("2026-12-01T00:00:00Z").value();

MetricsInput Input() {
  MetricsInput in{
      .version = "1.2.3", .node = "imp1.example.com", .started = kNow, .use = hsm::UseReport()};
  return in;
}

// Samples of a name, as they are written.
std::vector<std::string> Lines(const MetricsInput& in, const std::string& name) {
  std::istringstream text(MetricsText(in));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.substr(0, line.find_first_of("{ ")) == name) lines.push_back(line);
  }
  return lines;
}

class Metrics : public ::testing::Test {
 protected:
  CertificateFigures Figures(const ControlFigures& control = {},
                             const std::vector<SeenClient>& clients = {}) {
    return CertificateFiguresOf(*world_.state->Now(), control, clients, kNow);
  }
  // One whose CN and serial are as they are asked for; its key is another each time.
  std::string Make(const std::string& cn, const std::string& serial) {
    return testing::MustRun({"openssl", "req", "-x509", "-utf8", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:P-256", "-nodes", "-keyout", world_.Path("key.pem"),
                             "-set_serial", serial, "-subj", "/CN=" + cn});
  }
  static std::int64_t EndOf(const std::string& pem) {
    return keystore::x509::ReadCertificates(pem, 1)
        .value()
        .front()
        .fields()
        .not_after.time_since_epoch()
        .count();
  }

  PublishWorld world_;
};

TEST_F(Metrics, EachPlaceOfAnIdentityHasItsEnd) {
  const std::string leaf = world_.Leaf("imp1.example.com");
  world_.Install("tomcat",
                 {leaf, world_.ca.Pem("int2"), world_.ca.Pem("int1"), world_.ca.Pem("root")}, "aa");
  MetricsInput in = Input();
  in.certificates = Figures();
  const std::vector<std::string> ends = Lines(in, "x509_cert_not_after");
  ASSERT_THAT(ends, SizeIs(4));
  EXPECT_THAT(ends[0], AllOf(HasSubstr("place=\"tomcat\""), HasSubstr("kind=\"identity\""),
                             HasSubstr("node=\"imp1.example.com\""),
                             HasSubstr("subject_CN=\"imp1.example.com\"")));
  EXPECT_EQ(std::stoll(ends[0].substr(ends[0].rfind(' '))), EndOf(leaf));
  EXPECT_THAT(ends[1], AllOf(HasSubstr("place=\"chain of tomcat\""), HasSubstr("kind=\"chain\"")));
  EXPECT_THAT(Lines(in, "x509_cert_not_before"), SizeIs(4));
  // Whether the issuer is in the store or not, its CN is told.
  const auto issuer = keystore::x509::ReadCertificates(world_.ca.Pem("int2"), 1).value().front();
  const std::string wanted = "issuer_CN=\"" + issuer.fields().common_name + "\"";
  EXPECT_THAT(ends[0], HasSubstr(wanted));
  world_.Install("tomcat", {leaf}, "ab");
  in.certificates = Figures();
  EXPECT_THAT(Lines(in, "x509_cert_not_after")[0], HasSubstr(wanted));
}

TEST_F(Metrics, CertificatesThatLookAlikeAreTwoRows) {
  world_.Trust("cup-trust", Make("twin", "77"), "anchor");
  world_.Trust("cup-trust", Make("twin", "77"), "anchor");
  MetricsInput in = Input();
  in.certificates = Figures();
  const std::vector<std::string> ends = Lines(in, "x509_cert_not_after");
  EXPECT_THAT(ends, SizeIs(2));
  EXPECT_THAT(ends, Each(AllOf(HasSubstr("serial_number=\"4d\""), HasSubstr("subject_CN=\"twin\""),
                               HasSubstr("issuer_CN=\"twin\""))));
  EXPECT_THAT(Lines(in, "signet_trust_entries"),
              Contains("signet_trust_entries{store=\"cup-trust\"} 2"));
}

// A name is anybody's to choose.
TEST_F(Metrics, AHostileNameIsOneShortLineOfText) {
  world_.Trust("cup-trust", Make("x\"} 1\nsignet_keyd_up 0 \\\xE2\x80\xAE", "1"), "anchor");
  world_.Trust("cup-trust", Make(std::string(63, 'a') + "\xC3\xBC", "2"), "pinned");
  MetricsInput in = Input();
  in.certificates = Figures();
  for (const CertificateEnd& end : in.certificates.ends) {
    EXPECT_LE(end.subject_cn.size(), kLabelOctets + 3);
    EXPECT_THAT(end.subject_cn, AllOf(Not(HasSubstr("\n")), Not(HasSubstr("\xE2\x80\xAE"))));
  }
  EXPECT_THAT(Lines(in, "x509_cert_not_after"), SizeIs(2));
  EXPECT_THAT(Lines(in, "signet_keyd_up"), ::testing::ElementsAre("signet_keyd_up 1"));
  EXPECT_THAT(MetricsText(in), HasSubstr(std::string(63, 'a') + "\xC3\xBC\""));
  // Also where it comes from somewhere else than a certificate.
  SeenClient client;
  client.fingerprint = std::string(64, 'b');
  client.common_name = std::string(5000, 'c') + "\xFF";
  in.certificates = Figures({}, {client});
  EXPECT_LE(in.certificates.ends.back().subject_cn.size(), kLabelOctets + 3);
}

TEST_F(Metrics, WhatIsServedCountsWhereItIsNotTheCurrentCertificate) {
  const std::string current = world_.Leaf("current");
  world_.Install("tomcat", {current}, "aa");
  const auto see = [&](const std::string& pem) {
    Endpoint endpoint;
    endpoint.target = ParseHostPort("127.0.0.1:443", 0).value();
    TlsFetched fetched;
    fetched.reached = true;
    fetched.chain = {keystore::x509::ReadCertificates(pem, 1).value().front().der()};
    return Judge(*world_.state->Now(), *world_.catalogue.FindPurpose("tomcat"), endpoint, fetched,
                 kNow);
  };
  ControlFigures control;
  const WireLook former = see(world_.Leaf("former"));
  // Asked twice, for RSA and for ECDSA: it is one certificate at one place.
  control["Cisco Tomcat"].looks = {see(current), former, former};
  MetricsInput in = Input();
  in.certificates = Figures(control);
  const std::vector<std::string> ends = Lines(in, "x509_cert_not_after");
  ASSERT_THAT(ends, SizeIs(2));
  EXPECT_THAT(ends[1], AllOf(HasSubstr("place=\"served at 127.0.0.1:443\""),
                             HasSubstr("kind=\"served\""), HasSubstr("subject_CN=\"former\"")));
  EXPECT_THAT(ends[1], Not(HasSubstr("issuer_CN=\"\"")));
}

// A snapshot of `count` entries in two stores; each ends a day after the one before.
std::shared_ptr<keystore::Snapshot> Large(std::size_t count) {
  auto snapshot = std::make_shared<keystore::Snapshot>();
  keystore::CertificateTable::Editor editor(*snapshot->certificates);
  std::map<std::string, std::map<std::string, std::shared_ptr<keystore::TrustShard>>> stores;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string fingerprint = Sha256Hex(std::to_string(i));
    keystore::CertificateRecord record;
    record.subject = record.issuer = "CN=Root " + std::to_string(i);
    record.common_name = "Root " + std::to_string(i);
    record.subject_id = record.issuer_id = fingerprint.substr(0, 16);
    record.serial = std::to_string(i);
    record.not_before = kNow - 2000 * 24h;
    record.not_after = kNow + (static_cast<int>(i) - 100) * 24h;
    editor.Put(keystore::StoredCertificate::FromRecord(fingerprint, std::move(record)));
    auto& shard = stores[i % 2 == 0 ? "cup-trust" : "tomcat-trust"][fingerprint.substr(0, 2)];
    if (!shard) shard = std::make_shared<keystore::TrustShard>();
    keystore::TrustEntryRecord entry;
    entry.certificate = fingerprint;
    entry.kind = "anchor";
    shard->entries.push_back(std::move(entry));
  }
  for (auto& [name, shards] : stores) {
    keystore::TrustStore store;
    for (auto& [first, shard] : shards) {
      std::ranges::sort(shard->entries, {}, &keystore::TrustEntryRecord::certificate);
      store[first] = shard;
    }
    snapshot->trust[name] = std::make_shared<keystore::TrustStore>(std::move(store));
  }
  snapshot->certificates = std::make_shared<keystore::CertificateTable>(editor.Take());
  return snapshot;
}

TEST_F(Metrics, OfManyTrustEntriesThoseThatEndNearestToNowAreNamed) {
  const auto snapshot = Large(3000);
  const CertificateFigures figures = CertificateFiguresOf(*snapshot, {}, {}, kNow);
  ASSERT_THAT(figures.ends, SizeIs(kTrustEnds));
  EXPECT_EQ(figures.ends.front().not_after, kNow - 100 * 24h) << "what has ended counts, too";
  EXPECT_EQ(figures.ends.back().not_after, kNow + 899 * 24h);
  EXPECT_EQ(figures.stores.at("cup-trust").entries, 1500u);
  EXPECT_EQ(figures.stores.at("tomcat-trust").entries, 1500u);
  EXPECT_EQ(figures.stores.at("tomcat-trust").earliest, kNow - 99 * 24h);
}

TEST_F(Metrics, AScrapeOfTwentyThousandEntriesIsSmallAndSoon) {
  const auto snapshot = Large(20'000);
  MetricsInput in = Input();
  const auto begin = std::chrono::steady_clock::now();
  in.certificates = CertificateFiguresOf(*snapshot, {}, {}, kNow);
  const std::string text = MetricsText(in);
  const auto taken = std::chrono::steady_clock::now() - begin;
  std::printf("%zu octets in %.1f ms\n", text.size(),
              std::chrono::duration<double, std::milli>(taken).count());
  EXPECT_LT(text.size(), 1u << 20);
  EXPECT_LT(taken, 2s) << "a scraper waits ten seconds";
}

TEST_F(Metrics, PendingCsrsAreCountedAndTheOldestIsNamed) {
  EXPECT_THAT(Lines(Input(), "signet_pending_csrs"),
              ::testing::ElementsAre("signet_pending_csrs 0"));
  EXPECT_THAT(Lines(Input(), "signet_oldest_csr_created_timestamp_seconds"), IsEmpty());
  for (const auto& [id, age] : {std::pair("0a", 3), {"0b", 1}}) {
    keystore::CsrRecord csr;
    csr.id = id;
    csr.purpose = "tomcat";
    csr.created = kNow - age * 24h;
    world_.store.Put(world_.store.layout.Csr(id), json::serialize(ToJson(csr)));
  }
  MetricsInput in = Input();
  in.certificates = Figures();
  EXPECT_EQ(in.certificates.pending_csrs, 2u);
  EXPECT_EQ(in.certificates.oldest_csr, kNow - 3 * 24h);
}

TEST_F(Metrics, WhatIsNotKnownIsAbsentAndNeverZero) {
  MetricsInput in = Input();
  in.use = MakeError(Kind::kUnreachable, "KEYD_UNREACHABLE", "nobody answers", "Start it.");
  EXPECT_THAT(Lines(in, "signet_keyd_up"), ::testing::ElementsAre("signet_keyd_up 0"));
  for (const char* name :
       {"signet_signatures_total", "signet_token_signatures_total", "signet_signatures_unaccounted",
        "signet_monitor_last_run_timestamp_seconds", "signet_monitor_next_run_timestamp_seconds",
        "signet_lscs", "signet_mails_waiting", "signet_mails_sent_total",
        "signet_mail_last_sent_timestamp_seconds", "signet_revocation_last_check_timestamp_seconds",
        "signet_responder_backing_off"}) {
    EXPECT_THAT(Lines(in, name), IsEmpty()) << name;
    EXPECT_THAT(MetricsText(in), HasSubstr("# TYPE " + std::string(name) + " "));
  }
}

TEST_F(Metrics, FiguresAreWhatTheirPartsSay) {
  MetricsInput in = Input();
  in.monitor.running = true;
  in.monitor.last_run = kNow - 1h;
  in.monitor.overdue = 90min;
  in.monitor.levels = {1, 2, 3};
  in.monitor.expired = 2;
  in.monitor.unknown = 4;
  in.monitor.lscs = keystore::LscCount{.total = 100,
                                       .expired = 5,
                                       .lately = 1,
                                       .within_a_day = 2,
                                       .soon = 9,
                                       .earliest = {},
                                       .nearest = {}};
  in.mails = MailMemory();
  in.mails->waiting.resize(2);
  in.mails->sent_total = 7;
  in.mails->sent = kNow;
  in.revocation.status = {{"good", 3}, {"unknown", 1}};
  in.revocation.distrusted = {{"revoked", 1}};
  in.revocation.revoked_in_use = 1;
  in.sources.outcomes = {{"ocsp", "OCSP_GOOD", 12}};
  in.sources.cache_hits = 8;
  in.sources.backing_off = {{"ocsp.example.com:80", 3, kNow + 1min, "refused"}};
  in.connections = {{"cti", {{"failing", 1}}}};
  in.lanes = {{"sign", 1, 2, 256}};
  const std::string text = MetricsText(in);
  const std::string now = std::to_string(kNow.time_since_epoch().count());
  const std::vector<std::string> wanted = {
      "signet_build_info{version=\"1.2.3\"} 1",
      "process_start_time_seconds " + now,
      "signet_monitor_running 1",
      "signet_monitor_overdue_seconds 5400",
      "signet_monitor_certificates{level=\"alarm\"} 3",
      "signet_monitor_certificates{level=\"warning\"} 2",
      "signet_monitor_certificates{level=\"hint\"} 1",
      "signet_monitor_certificates{level=\"expired\"} 2",
      "signet_monitor_certificates{level=\"unknown\"} 4",
      "signet_lscs{state=\"expired\"} 5",
      "signet_lscs{state=\"ends-within-a-day\"} 2",
      "signet_lscs{state=\"ends-soon\"} 7",
      "signet_lscs{state=\"good\"} 86",
      "signet_mails_waiting 2",
      "signet_mails_sent_total 7",
      "signet_mail_last_sent_timestamp_seconds " + now,
      "signet_mail_enabled 0",
      "signet_certificate_status{status=\"good\"} 3",
      "signet_distrusted{cause=\"revoked\"} 1",
      "signet_revoked_in_use 1",
      "signet_status_answers_total{source=\"ocsp\",outcome=\"OCSP_GOOD\"} 12",
      "signet_status_cache_hits_total 8",
      "signet_responder_backing_off{responder=\"ocsp.example.com:80\"} 1",
      "signet_connections{kind=\"cti\",state=\"failing\"} 1",
      "signet_lane_waiting{lane=\"sign\"} 1",
      "signet_lane_threads{lane=\"sign\"} 2",
      "signet_lane_capacity{lane=\"sign\"} 256"};
  for (const std::string& line : wanted) EXPECT_THAT(text, HasSubstr("\n" + line + "\n"));
}

}  // namespace
}  // namespace signet::services
