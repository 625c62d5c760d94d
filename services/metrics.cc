#include "services/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "services/keys.h"

namespace signet::services {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(std::string name, std::string help, MetricType type) {
  MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = type;
  return family;
}

void Add(MetricFamily& family, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

MetricFamily One(std::string name, std::string help, MetricType type, double value) {
  MetricFamily family = Family(std::move(name), std::move(help), type);
  Add(family, value);
  return family;
}

void AddUse(const hsm::UseReport& use, std::vector<MetricFamily>& families) {
  MetricFamily signatures =
      Family("signet_signatures_total", "Signatures that clients were given.", MetricType::Counter);
  std::int64_t given = 0;
  for (const hsm::UseRow& row : use.rows) {
    given += row.count;
    Add(signatures, static_cast<double>(row.count),
        {{"purpose", row.purpose},
         {"key", row.key},
         {"uid", std::to_string(row.uid)},
         {"mechanism", row.mechanism}});
  }
  families.push_back(std::move(signatures));
  families.push_back(One("signet_token_signatures_total", "Signatures that the token made.",
                         MetricType::Counter, static_cast<double>(use.made)));
  families.push_back(One("signet_token_proofs_total",
                         "Signatures of signet-keyd's own: keys proved, self-tests.",
                         MetricType::Counter, static_cast<double>(use.proofs)));
  families.push_back(One("signet_signatures_undelivered_total",
                         "Signatures that were refused after verification, or that nobody waited "
                         "for any more.",
                         MetricType::Counter, static_cast<double>(use.undelivered)));
  families.push_back(One(
      "signet_signatures_unaccounted",
      "Signatures that the token made and that are nobody's: must be 0, but for those under way.",
      MetricType::Gauge, static_cast<double>(use.made - use.proofs - use.undelivered - given)));
}

void AddControl(const ControlFigures& control, std::vector<MetricFamily>& families) {
  MetricFamily owed = Family("signet_service_restart_owed",
                             "Changes that a service has not taken up yet.", MetricType::Gauge);
  MetricFamily endpoints =
      Family("signet_endpoint_state", "1 for what an endpoint showed at the last look.",
             MetricType::Gauge);
  for (const auto& [service, figures] : control) {
    Add(owed, static_cast<double>(figures.owed), {{"service", service}});
    for (const WireLook& look : figures.looks) {
      for (const WireVerdict verdict : kWireVerdicts) {
        Add(endpoints, look.verdict == verdict ? 1 : 0,
            {{"service", service},
             {"endpoint", look.endpoint},
             {"purpose", look.purpose},
             {"state", std::string(WireVerdictName(verdict))}});
      }
    }
  }
  families.push_back(std::move(owed));
  families.push_back(std::move(endpoints));
}

}  // namespace

std::string MetricsText(const hsm::TokenInfo& token, const Result<hsm::UseReport>& use,
                        const ControlFigures& control) {
  std::vector<MetricFamily> families;
  families.push_back(
      One("signet_keyd_up", "Whether signet-keyd answers.", MetricType::Gauge, use ? 1 : 0));
  MetricFamily state =
      Family("signet_token_state", "1 for the state that the token is in.", MetricType::Gauge);
  for (const auto one : {hsm::TokenState::kUnprovisioned, hsm::TokenState::kLocked,
                         hsm::TokenState::kOperational, hsm::TokenState::kFailed}) {
    Add(state, token.state == one ? 1 : 0, {{"state", std::string(TokenStateName(one))}});
  }
  families.push_back(std::move(state));
  families.push_back(One("signet_token_failed_logins", "Wrong PINs since the last right one.",
                         MetricType::Gauge, static_cast<double>(token.failed_logins)));
  if (use) AddUse(use.value(), families);
  AddControl(control, families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace signet::services
