// Figures for Prometheus, in its text format (version 0.0.4). Names and meanings are a promise: the
// alerts of tools/prometheus and the dashboard of tools/grafana rest on them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hsm/token_control.h"
#include "platform/error.h"
#include "services/control/control_center.h"
#include "services/metrics/certificate_figures.h"
#include "services/monitor/expiry_monitor.h"
#include "services/monitor/mail_queue.h"
#include "services/revocation/revocation.h"

namespace signet::services {

struct LaneFigures {
  std::string name;
  std::size_t waiting = 0, threads = 0, capacity = 0;
};

// What is known at one moment.
struct MetricsInput {
  std::string version = {}, node = {};
  WallTime started{};  // of this process
  hsm::TokenInfo token = {};
  // An error when signet-keyd could not be asked; then its counters are left out, which Prometheus
  // shows as absent, never as zero.
  Result<hsm::UseReport> use;
  ControlFigures control = {};
  CertificateFigures certificates = {};
  ExpiryMonitor::Status monitor = {};
  bool mails_on = false;                 // they are switched on, and a server is configured
  std::optional<MailMemory> mails = {};  // none: no server is configured
  Revocation::Figures revocation = {};
  StatusFigures sources = {};                                                  // of status
  std::map<std::string, std::map<std::string, std::size_t>> connections = {};  // by kind, by state
  std::vector<LaneFigures> lanes = {};
};

// Pure. Every figure is named, whether there is one now or not. Of samples with the same labels
// the first is written, the others are not: a scraper refuses them.
std::string MetricsText(const MetricsInput& in);

}  // namespace signet::services
