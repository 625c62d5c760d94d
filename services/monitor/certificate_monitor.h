// The certificate monitor as administrators have it (SPEC M1, M3, B10): its settings, what it
// found, what it mails, and what it would find on another day.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "keystore/trust.h"
#include "platform/lanes.h"
#include "services/monitor/expiry_monitor.h"
#include "services/monitor/mail_queue.h"
#include "services/monitor_api.h"
#include "services/request_context.h"

namespace signet::services {

struct MonitorSettings {
  std::chrono::days start{30};
  std::chrono::hours frequency{168};
  bool email = false;
  std::vector<std::string> addresses;
  bool lsc = false;  // certificates of endpoints are watched too
};
MonitorSettings MonitorSettingsOf(const keystore::PlanInput& in);

// Thread-safe.
class CertificateMonitor {
 public:
  struct Parts {
    const keystore::Catalogue& catalogue;
    const keystore::NodeNames& names;
    const Clock& clock;
    keystore::Trust& shared;  // settings
    MailQueue* mails;         // null: no server is configured
    std::string mail_server;  // for people: "mail.example.com:587"; empty: none
    std::chrono::days heartbeat{30};
    Lane& store_lane;
    Lane& mail_lane;
    Lane& look_lane;  // for looks that somebody asked for: they may read the register of LSCs
    // What else there is to look at. Empty: nothing.
    std::function<OtherPlaces(WallTime now)> others = {};
    // LSCs that are registered, whether they are watched or not. Empty: none.
    std::function<std::size_t()> registered = {};
  };
  explicit CertificateMonitor(Parts parts) : parts_(std::move(parts)) {}

  // The schedule's service, which calls AfterRun; before anything else.
  void Watch(ExpiryMonitor& monitor) { monitor_ = &monitor; }
  // On the store lane, after each run: keeps a mail where one is due. For people, what came of it.
  std::string AfterRun(const ExpiryLook& look, WallTime now);
  std::chrono::days start() const { return MonitorSettingsOf(parts_.shared.Input()).start; }
  // Who is to be mailed; nobody while mails are off.
  std::vector<std::string> Recipients() const;

  Result<api::MonitorInfo> Show() const;
  boost::asio::awaitable<Result<api::MonitorInfo>> AskShow(RequestContext context) const;
  // A run outside of the schedule; the next one is an interval later. kConflict MONITOR_STOPPED.
  boost::asio::awaitable<Result<api::MonitorRun>> Run(
      RequestContext context, std::shared_ptr<keystore::Operation> operation);
  Result<api::MonitorPreview> Preview(const api::PreviewRequest& request) const;
  boost::asio::awaitable<Result<api::MonitorPreview>> AskPreview(RequestContext context,
                                                                 api::PreviewRequest request) const;
  // Now, to all addresses. kConflict MAIL_NOT_CONFIGURED, MAIL_NO_ADDRESSES; errors of SendMail.
  boost::asio::awaitable<Result<api::TestMail>> SendTestMail(
      RequestContext context, std::shared_ptr<keystore::Operation> operation);
  // MAIL_WAITS, MAIL_REFUSED; MAIL_NOT_CONFIGURED, MAIL_NO_ADDRESSES: they are on, and go nowhere.
  Findings Warnings() const;

 private:
  ExpiryInput InputOf(const keystore::PlanInput& in, WallTime at) const;

  Parts parts_;
  ExpiryMonitor* monitor_ = nullptr;
};

}  // namespace signet::services
