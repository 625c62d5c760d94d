#include "services/metrics/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <set>

#include "platform/encoding.h"
#include "services/keys.h"

namespace signet::services {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr auto kGauge = MetricType::Gauge;
constexpr auto kCounter = MetricType::Counter;

// One figure under way.
class Samples {
 public:
  explicit Samples(MetricFamily& family) : family_(family) {}

  template <class Number>
  void Add(Number number, Labels labels = {}) {
    for (ClientMetric::Label& label : labels) label.value = EscapeLine(label.value, kMostOctets);
    if (!seen_.insert(labels).second) return;
    ClientMetric metric;
    metric.label = std::move(labels);
    const auto value = static_cast<double>(number);
    (family_.type == kCounter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
  }
  void Add(WallTime time, Labels labels = {}) {
    Add(time.time_since_epoch().count(), std::move(labels));
  }
  void AddKnown(const std::optional<WallTime>& time, Labels labels = {}) {
    if (time) Add(*time, std::move(labels));
  }

 private:
  // Of any label; those of certificates are shorter already.
  static constexpr std::size_t kMostOctets = 512;

  MetricFamily& family_;
  std::set<Labels> seen_;
};

void AddTokenStates(const MetricsInput& in, Samples& out) {
  for (const auto one : {hsm::TokenState::kUnprovisioned, hsm::TokenState::kLocked,
                         hsm::TokenState::kOperational, hsm::TokenState::kFailed})
    out.Add(in.token.state == one ? 1 : 0, {{"state", std::string(TokenStateName(one))}});
}

void AddSignatures(const MetricsInput& in, Samples& out) {
  if (!in.use) return;
  for (const hsm::UseRow& row : in.use.value().rows) {
    out.Add(row.count, {{"purpose", row.purpose},
                        {"key", row.key},
                        {"uid", std::to_string(row.uid)},
                        {"mechanism", row.mechanism}});
  }
}

void AddUnaccounted(const MetricsInput& in, Samples& out) {
  if (!in.use) return;
  const hsm::UseReport& use = in.use.value();
  std::int64_t given = 0;
  for (const hsm::UseRow& row : use.rows) given += row.count;
  out.Add(use.made - use.proofs - use.undelivered - given);
}

template <std::int64_t hsm::UseReport::*count>
void AddUse(const MetricsInput& in, Samples& out) {
  if (in.use) out.Add(in.use.value().*count);
}

void AddEndpoints(const MetricsInput& in, Samples& out) {
  for (const auto& [service, figures] : in.control) {
    for (const WireLook& look : figures.looks) {
      for (const WireVerdict verdict : kWireVerdicts) {
        out.Add(look.verdict == verdict ? 1 : 0,
                {{"service", service},
                 {"endpoint", look.endpoint},
                 {"purpose", look.purpose},
                 {"state", std::string(WireVerdictName(verdict))}});
      }
    }
  }
}

template <WallTime CertificateEnd::*time>
void AddEnds(const MetricsInput& in, Samples& out) {
  for (const CertificateEnd& end : in.certificates.ends) {
    out.Add(end.*time, {{"place", end.place},
                        {"node", in.node},
                        {"kind", end.kind},
                        {"serial_number", end.serial},
                        {"subject_CN", end.subject_cn},
                        {"issuer_CN", end.issuer_cn},
                        {"fingerprint", end.fingerprint}});
  }
}

void AddLevels(const MetricsInput& in, Samples& out) {
  for (const auto level : {ExpiryLevel::kAlarm, ExpiryLevel::kWarning, ExpiryLevel::kHint}) {
    out.Add(in.monitor.levels[static_cast<std::size_t>(level)],
            {{"level", std::string(ExpiryLevelName(level))}});
  }
  out.Add(in.monitor.expired, {{"level", "expired"}});
  out.Add(in.monitor.unknown, {{"level", "unknown"}});
}

void AddLscs(const MetricsInput& in, Samples& out) {
  if (!in.monitor.lscs) return;
  const keystore::LscCount& count = *in.monitor.lscs;
  out.Add(count.expired, {{"state", "expired"}});
  out.Add(count.within_a_day, {{"state", "ends-within-a-day"}});
  out.Add(count.soon - count.within_a_day, {{"state", "ends-soon"}});
  out.Add(count.total - count.expired - count.soon, {{"state", "good"}});
}

void AddBackingOff(const MetricsInput& in, Samples& out) {
  for (const auto& one : in.sources.backing_off) out.Add(1, {{"responder", one.responder}});
}

void AddNextTries(const MetricsInput& in, Samples& out) {
  for (const auto& one : in.sources.backing_off)
    out.Add(one.next_try, {{"responder", one.responder}});
}

void AddAnswers(const MetricsInput& in, Samples& out) {
  for (const auto& one : in.sources.outcomes)
    out.Add(one.count, {{"source", one.kind}, {"outcome", one.word}});
}

void AddConnections(const MetricsInput& in, Samples& out) {
  for (const auto& [kind, states] : in.connections) {
    for (const auto& [state, count] : states) out.Add(count, {{"kind", kind}, {"state", state}});
  }
}

void AddCounts(const std::map<std::string, std::size_t>& counts, const char* label, Samples& out) {
  for (const auto& [name, count] : counts) out.Add(count, {{label, name}});
}

template <std::size_t LaneFigures::*figure>
void AddLanes(const MetricsInput& in, Samples& out) {
  for (const LaneFigures& lane : in.lanes) out.Add(lane.*figure, {{"lane", lane.name}});
}

struct Figure {
  const char* name;
  const char* help;
  MetricType type;
  void (*fill)(const MetricsInput& in, Samples& out);
};

constexpr Figure kAppliance[] = {
    {"signet_build_info", "1, labelled with the version.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       out.Add(1, {{"version", in.version}});
     }},
    {"process_start_time_seconds", "When this process began, as a Unix time.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.started); }},
    {"signet_keyd_up", "Whether signet-keyd answers.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.use ? 1 : 0); }},
    {"signet_token_state", "1 for the state that the token is in.", kGauge, AddTokenStates},
    {"signet_token_failed_logins", "Wrong PINs since the last right one.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.token.failed_logins); }},
    {"signet_signatures_total", "Signatures that clients were given.", kCounter, AddSignatures},
    {"signet_token_signatures_total", "Signatures that the token made.", kCounter,
     AddUse<&hsm::UseReport::made>},
    {"signet_token_proofs_total", "Signatures of signet-keyd's own: keys proved, self-tests.",
     kCounter, AddUse<&hsm::UseReport::proofs>},
    {"signet_signatures_undelivered_total",
     "Signatures that were refused after verification, or that nobody waited for any more.",
     kCounter, AddUse<&hsm::UseReport::undelivered>},
    {"signet_signatures_unaccounted",
     "Signatures that the token made and that are nobody's: must be 0, but for those under way.",
     kGauge, AddUnaccounted},
    {"signet_lane_waiting", "Jobs that wait for a thread of a lane.", kGauge,
     AddLanes<&LaneFigures::waiting>},
    {"signet_lane_threads", "Threads of a lane.", kGauge, AddLanes<&LaneFigures::threads>},
    {"signet_lane_capacity", "How many jobs may wait for a lane; more are refused.", kGauge,
     AddLanes<&LaneFigures::capacity>},
};

constexpr Figure kCertificates[] = {
    {"x509_cert_not_before", "When a certificate begins to be valid, as a Unix time.", kGauge,
     AddEnds<&CertificateEnd::not_before>},
    {"x509_cert_not_after",
     "When a certificate ends, as a Unix time; of trust stores those that end nearest to now.",
     kGauge, AddEnds<&CertificateEnd::not_after>},
    {"signet_trust_entries", "Certificates in a trust store.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       for (const auto& [store, figures] : in.certificates.stores)
         out.Add(figures.entries, {{"store", store}});
     }},
    {"signet_trust_earliest_not_after",
     "The earliest end of a certificate of a trust store, as a Unix time.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       for (const auto& [store, figures] : in.certificates.stores)
         out.AddKnown(figures.earliest, {{"store", store}});
     }},
    {"signet_pending_csrs", "CSRs whose certificate was not uploaded yet.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.certificates.pending_csrs); }},
    {"signet_oldest_csr_created_timestamp_seconds", "When the oldest pending CSR was made.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.AddKnown(in.certificates.oldest_csr); }},
};

constexpr Figure kMonitor[] = {
    {"signet_monitor_running", "Whether the certificate expiry monitor runs.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.monitor.running ? 1 : 0); }},
    {"signet_monitor_last_run_timestamp_seconds", "When it last ran.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.AddKnown(in.monitor.last_run); }},
    {"signet_monitor_next_run_timestamp_seconds", "When it runs next; absent while it is stopped.",
     kGauge, [](const MetricsInput& in, Samples& out) { out.AddKnown(in.monitor.next_run); }},
    {"signet_monitor_overdue_seconds", "For how long a run has been owed; 0 when none is.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       out.Add(in.monitor.overdue.value_or(std::chrono::seconds(0)).count());
     }},
    {"signet_monitor_certificates",
     "Places of certificates by what the monitor makes of them, at its last look, at most ten "
     "minutes ago. What has expired is among the alarms too.",
     kGauge, AddLevels},
    {"signet_lscs", "Registered certificates of endpoints by their end, where they are watched.",
     kGauge, AddLscs},
    {"signet_mail_enabled", "Whether mails are switched on and a server is configured.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.mails_on ? 1 : 0); }},
    {"signet_mails_sent_total", "Mails that a server took.", kCounter,
     [](const MetricsInput& in, Samples& out) {
       if (in.mails) out.Add(in.mails->sent_total);
     }},
    {"signet_mails_waiting", "Mails that no server took yet.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       if (in.mails) out.Add(in.mails->waiting.size());
     }},
    {"signet_mail_last_sent_timestamp_seconds", "When a server last took a mail.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       if (in.mails) out.AddKnown(in.mails->sent);
     }},
};

constexpr Figure kStatus[] = {
    {"signet_revocation_enabled", "Whether the revocation check is on.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.revocation.enabled ? 1 : 0); }},
    {"signet_certificate_status",
     "Certificates by their status; no-source: they name nobody who could tell it.", kGauge,
     [](const MetricsInput& in, Samples& out) { AddCounts(in.revocation.status, "status", out); }},
    {"signet_distrusted", "Certificates that are out of trust, by cause.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       AddCounts(in.revocation.distrusted, "cause", out);
     }},
    {"signet_revoked_in_use", "Revoked certificates that an identity is, or rests on.", kGauge,
     [](const MetricsInput& in, Samples& out) { out.Add(in.revocation.revoked_in_use); }},
    {"signet_revocation_last_check_timestamp_seconds", "When all that was due had been asked for.",
     kGauge, [](const MetricsInput& in, Samples& out) { out.AddKnown(in.revocation.last_check); }},
    {"signet_status_answers_total", "What sources of status said, the cache aside.", kCounter,
     AddAnswers},
    {"signet_status_cache_hits_total", "Questions that the cache answered.", kCounter,
     [](const MetricsInput& in, Samples& out) { out.Add(in.sources.cache_hits); }},
    {"signet_responder_backing_off", "1 for a responder that failed and is left alone for a while.",
     kGauge, AddBackingOff},
    {"signet_responder_next_try_timestamp_seconds", "When such a one may be asked again.", kGauge,
     AddNextTries},
    {"signet_connections", "Long-lived connections by kind and state.", kGauge, AddConnections},
};

constexpr Figure kServices[] = {
    {"signet_service_restart_owed", "Changes that a service has not taken up yet.", kGauge,
     [](const MetricsInput& in, Samples& out) {
       for (const auto& [service, figures] : in.control)
         out.Add(figures.owed, {{"service", service}});
     }},
    {"signet_endpoint_state", "1 for what an endpoint showed at the last look.", kGauge,
     AddEndpoints},
};

template <std::size_t count>
void Fill(const Figure (&figures)[count], const MetricsInput& in,
          std::vector<MetricFamily>& families) {
  for (const Figure& figure : figures) {
    MetricFamily& family = families.emplace_back();
    family.name = figure.name;
    family.help = figure.help;
    family.type = figure.type;
    Samples samples(family);
    figure.fill(in, samples);
  }
}

}  // namespace

std::string MetricsText(const MetricsInput& in) {
  std::vector<MetricFamily> families;
  Fill(kAppliance, in, families);
  Fill(kCertificates, in, families);
  Fill(kMonitor, in, families);
  Fill(kStatus, in, families);
  Fill(kServices, in, families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace signet::services
