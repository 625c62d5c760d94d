#include "services/monitor/certificate_monitor.h"

#include <algorithm>

#include "keystore/settings.h"
#include "platform/logging.h"
#include "services/monitor/digest.h"

namespace signet::services {

namespace {

constexpr Duration kMailLimit = std::chrono::minutes(2);

api::MonitorItem ToApi(const ExpiryItem& item) {
  return {std::string(ExpiryLevelName(item.level)),
          item.place,
          item.node,
          item.end,
          item.when,
          item.subject,
          item.serial,
          item.fingerprint,
          item.impact,
          item.remedy};
}

std::vector<api::MonitorItem> ToApi(const std::vector<ExpiryItem>& items) {
  std::vector<api::MonitorItem> rows;
  for (const ExpiryItem& item : items) rows.push_back(ToApi(item));
  return rows;
}

Error NoServer() {
  return MakeError(Kind::kConflict, "MAIL_NOT_CONFIGURED",
                   "no [mail] server is configured on this node",
                   "Add [mail] with 'server' and 'from' to signet.toml and restart signetd.");
}

KeptMail MailOf(std::string kind, MailText text, const std::vector<std::string>& to,
                const std::string& node, WallTime now) {
  KeptMail mail;
  mail.kind = std::move(kind);
  mail.created = now;
  mail.to = to;
  mail.subject = std::move(text.subject);
  mail.text = std::move(text.text);
  mail.html = std::move(text.html);
  mail.message_id = node;  // its right side
  return mail;
}

// Purposes of which neither leaf nor chain is valid then, or that have none.
std::vector<std::string> Uncovered(const keystore::PlanInput& in, WallTime at) {
  std::vector<std::string> uncovered;
  for (const keystore::Purpose& purpose : in.catalogue.purposes) {
    if (purpose.internal || (purpose.publisher_only && !in.names.publisher)) continue;
    const keystore::IdentityVersion* current = in.snapshot->Current(purpose.name);
    const auto is_over = [&](const std::string& fingerprint) {
      const auto* found = in.snapshot->certificates->Find(fingerprint);
      return found == nullptr || found->not_after() < at;
    };
    if (current == nullptr || is_over(current->certificate) ||
        std::any_of(current->chain.begin(), current->chain.end(), is_over))
      uncovered.push_back(purpose.name);
  }
  return uncovered;
}

}  // namespace

MonitorSettings MonitorSettingsOf(const keystore::PlanInput& in) {
  MonitorSettings settings;
  settings.start =
      std::chrono::days(std::stoi(keystore::SettingValue(in, keystore::kMonitorStartDays)));
  settings.frequency =
      keystore::IntervalOf(keystore::SettingValue(in, keystore::kMonitorFrequency));
  settings.email = keystore::SettingValue(in, keystore::kMonitorEmail) == "true";
  if (auto all = ParseMailAddresses(keystore::SettingValue(in, keystore::kMonitorAddresses)))
    settings.addresses = std::move(all).value();
  settings.lsc = keystore::SettingValue(in, keystore::kMonitorLsc) == "true";
  return settings;
}

ExpiryInput CertificateMonitor::InputOf(const keystore::PlanInput& in, WallTime at) const {
  return {parts_.catalogue,
          parts_.names,
          *in.snapshot,
          MonitorSettingsOf(in).start,
          at,
          parts_.others ? parts_.others(at) : OtherPlaces()};
}

std::string CertificateMonitor::AfterRun(const ExpiryLook& look, WallTime now) {
  const MonitorSettings settings = MonitorSettingsOf(parts_.shared.Input());
  if (!settings.email) return "mails are switched off";
  if (settings.addresses.empty()) return "nobody is to be mailed: there are no addresses";
  if (parts_.mails == nullptr) return "no mail server is configured";
  const MailMemory memory = parts_.mails->Look();
  NoticeDecision decision = DecideNotices(memory.told, look.items, settings.frequency, now);
  Status kept = Ok();
  std::string came;
  const bool silent = !memory.kept || *memory.kept > now || now - *memory.kept >= parts_.heartbeat;
  // Nobody hears that all is well while something is not.
  if (decision.due > 0 || (silent && !decision.after.empty())) {
    kept = parts_.mails->Keep(MailOf("digest", DigestOf(look, parts_.names, now),
                                     settings.addresses, parts_.names.node, now),
                              std::move(decision.after));
    came = "a mail goes to " + std::to_string(settings.addresses.size()) + " address(es)";
  } else if (silent) {
    kept = parts_.mails->Keep(MailOf("heartbeat", HeartbeatOf(look, parts_.names, now),
                                     settings.addresses, parts_.names.node, now),
                              std::move(decision.after));
    came = "a mail goes out to say that the monitor runs";
  } else {
    kept = parts_.mails->Note(std::move(decision.after));
    came = "nobody is to be told anew";
  }
  if (!kept) Log(LogLevel::kError, "a mail is not kept over a restart: " + kept.error().ToString());
  return came;
}

Result<api::MonitorInfo> CertificateMonitor::Show() const {
  const keystore::PlanInput in = parts_.shared.Input();
  const MonitorSettings settings = MonitorSettingsOf(in);
  const ExpiryMonitor::Status status = monitor_->Look();
  const ExpiryLook look = LookAtExpiry(InputOf(in, parts_.clock.Now()));
  api::MonitorInfo info;
  info.running = status.running;
  info.since = status.since;
  info.last_run = status.last_run;
  info.next_run = status.next_run;
  if (status.overdue) info.overdue_seconds = status.overdue->count();
  info.start_days = settings.start.count();
  info.frequency = keystore::SettingValue(in, keystore::kMonitorFrequency);
  info.email = settings.email;
  info.addresses = settings.addresses;
  info.lsc = settings.lsc;
  if (parts_.registered) info.lscs = static_cast<std::int64_t>(parts_.registered());
  info.server = parts_.mail_server;
  if (parts_.mails != nullptr) {
    const MailMemory memory = parts_.mails->Look();
    info.mails_waiting = static_cast<std::int64_t>(memory.waiting.size());
    info.mails_sent = memory.sent_total;
    info.last_mail = memory.sent;
  }
  info.checked = static_cast<std::int64_t>(look.checked);
  info.expired = static_cast<std::int64_t>(look.expired);
  info.soon = static_cast<std::int64_t>(look.soon);
  info.unknown = static_cast<std::int64_t>(look.unknown);
  info.certificates = ToApi(look.items);
  info.findings = status.warnings;
  const Findings mails = Warnings();
  info.findings.insert(info.findings.end(), mails.begin(), mails.end());
  return info;
}

boost::asio::awaitable<Result<api::MonitorInfo>> CertificateMonitor::AskShow(
    RequestContext context) const {
  auto job = [this] { return Show(); };
  co_return co_await RunOn(parts_.look_lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::MonitorPreview>> CertificateMonitor::AskPreview(
    RequestContext context, api::PreviewRequest request) const {
  auto job = [this, request] { return Preview(request); };
  co_return co_await RunOn(parts_.look_lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::MonitorRun>> CertificateMonitor::Run(
    RequestContext context, std::shared_ptr<keystore::Operation> operation) {
  auto job = [monitor = monitor_, operation]() -> Result<api::MonitorRun> {
    SIGNET_TRY(const ExpiryMonitor::RunReport report, monitor->RunNow());
    api::MonitorRun run;
    run.operation = operation->id;
    run.checked = static_cast<std::int64_t>(report.look.checked);
    run.expired = static_cast<std::int64_t>(report.look.expired);
    run.soon = static_cast<std::int64_t>(report.look.soon);
    run.unknown = static_cast<std::int64_t>(report.look.unknown);
    run.mail = report.came;
    run.next_run = report.next_run;
    run.findings = report.look.findings;
    operation->detail = "looked at " + std::to_string(run.checked) + " certificates; " + run.mail;
    return run;
  };
  co_return co_await RunOn(parts_.store_lane, std::move(job), context.limit);
}

Result<api::MonitorPreview> CertificateMonitor::Preview(const api::PreviewRequest& request) const {
  const keystore::PlanInput in = parts_.shared.Input();
  const MonitorSettings settings = MonitorSettingsOf(in);
  const ExpiryLook look = LookAtExpiry(InputOf(in, request.at));
  const std::vector<ToldNotice> told =
      parts_.mails == nullptr ? std::vector<ToldNotice>() : parts_.mails->Look().told;
  api::MonitorPreview preview;
  preview.at = request.at;
  preview.expired = static_cast<std::int64_t>(look.expired);
  preview.soon = static_cast<std::int64_t>(look.soon);
  preview.due = static_cast<std::int64_t>(
      DecideNotices(told, look.items, settings.frequency, request.at).due);
  if (preview.due > 0 && settings.email && parts_.mails != nullptr)
    preview.mailed_to = settings.addresses;
  if (preview.due > 0 && preview.mailed_to.empty()) {
    preview.findings.push_back({Severity::kWarning, "NOBODY_IS_MAILED",
                                std::to_string(preview.due) +
                                    " certificate(s) would be due, and nobody is mailed: 'signet "
                                    "monitor show' says why",
                                ""});
  } else if (preview.due > 0) {
    preview.findings.push_back(
        {Severity::kInfo, "WOULD_BE_MAILED",
         "a mail would go to " + std::to_string(preview.mailed_to.size()) + " address(es)", ""});
  }
  preview.uncovered = Uncovered(in, request.at);
  for (const std::string& purpose : preview.uncovered) {
    preview.findings.push_back(
        {Severity::kError, "UNCOVERED", purpose + " would have no valid certificate", ""});
  }
  preview.certificates = ToApi(look.items);
  return preview;
}

boost::asio::awaitable<Result<api::TestMail>> CertificateMonitor::SendTestMail(
    RequestContext, std::shared_ptr<keystore::Operation> operation) {
  if (parts_.mails == nullptr) co_return NoServer();
  const MonitorSettings settings = MonitorSettingsOf(parts_.shared.Input());
  if (settings.addresses.empty()) {
    co_return MakeError(Kind::kConflict, "MAIL_NO_ADDRESSES", "there is nobody to be mailed",
                        "signet monitor set --addresses 'admin@example.com;noc@example.com'");
  }
  const WallTime now = parts_.clock.Now();
  auto job = [mails = parts_.mails, mail = MailOf("test", TestMailOf(parts_.names, now),
                                                  settings.addresses, parts_.names.node, now)] {
    return mails->SendNow(mail);
  };
  SIGNET_CO_TRY(const std::vector<MailOutcome> outcomes,
                co_await RunOn(parts_.mail_lane, std::move(job), kMailLimit));
  api::TestMail answer;
  answer.operation = operation->id;
  answer.server = parts_.mail_server;
  answer.ok = true;
  for (const MailOutcome& outcome : outcomes) {
    answer.ok = answer.ok && outcome.accepted;
    answer.recipients.push_back({outcome.recipient, outcome.accepted, outcome.answer});
  }
  operation->detail = "to " + std::to_string(outcomes.size()) + " address(es)";
  co_return answer;
}

std::vector<std::string> CertificateMonitor::Recipients() const {
  MonitorSettings settings = MonitorSettingsOf(parts_.shared.Input());
  return settings.email ? std::move(settings.addresses) : std::vector<std::string>();
}

Findings CertificateMonitor::Warnings() const {
  const MonitorSettings settings = MonitorSettingsOf(parts_.shared.Input());
  if (!settings.email) return {};
  if (parts_.mails == nullptr) {
    return {{Severity::kWarning, "MAIL_NOT_CONFIGURED",
             "monitor-email is on, but " + NoServer().detail + ": nobody is mailed. " +
                 NoServer().remedy,
             ""}};
  }
  if (!settings.addresses.empty()) return parts_.mails->Warnings();
  return {{Severity::kWarning, "MAIL_NO_ADDRESSES",
           "monitor-email is on, but there are no addresses: nobody is mailed. 'signet monitor set "
           "--addresses admin@example.com'",
           ""}};
}

}  // namespace signet::services
