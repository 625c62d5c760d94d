#include "services/monitor/mail_queue.h"

#include <algorithm>
#include <mutex>
#include <random>

#include "platform/encoding.h"
#include "platform/logging.h"

namespace signet::services {

namespace {

constexpr char kMemory[] = "certificate-mail";
constexpr Duration kLaneFull = std::chrono::seconds(10);
constexpr std::int64_t kMostDoublings = 6;

MailMemory Recalled(keystore::NodeLog& log) {
  const Result<std::optional<std::string>> text = log.Recall(kMemory);
  if (!text) {
    Log(LogLevel::kError, "the mails that wait cannot be read: " + text.error().ToString());
    return {};
  }
  if (!text.value()) return {};
  const Result<json::value> parsed = ParseJson(*text.value(), {16u << 20, 16});
  Result<MailMemory> memory =
      parsed ? FromJson<MailMemory>(parsed.value()) : Result<MailMemory>(parsed.error());
  if (memory) return std::move(memory).value();
  // What was told is told again, which is better than never.
  Log(LogLevel::kError, "the mails that wait are damaged: " + memory.error().ToString());
  return {};
}

bool Has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

double Dice() {
  static thread_local std::mt19937 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

}  // namespace

Duration BackOff(std::int64_t attempts, double dice) {
  const auto minutes = std::int64_t{1} << std::clamp<std::int64_t>(attempts - 1, 0, kMostDoublings);
  const auto seconds = static_cast<double>(std::min<std::int64_t>(minutes, 60) * 60);
  return std::chrono::seconds(static_cast<std::int64_t>(seconds * (0.9 + dice * 0.2)));
}

struct MailQueue::Impl : std::enable_shared_from_this<MailQueue::Impl> {
  explicit Impl(Parts given) : parts(std::move(given)) {}

  Status Change(const std::function<void(MailMemory&)>& edit);
  bool Readdress(KeptMail& mail);
  bool IsRunning() const {
    const std::lock_guard lock(mutex);
    return running;
  }
  void Arm(Duration delay);
  void Attempt();
  void Told(const KeptMail& mail, const Result<std::vector<MailOutcome>>& outcomes);
  Mail MailOf(const KeptMail& kept) const;

  const Parts parts;
  std::mutex writing;        // one write after the other
  mutable std::mutex mutex;  // guards what follows
  bool running = false;
  MailMemory memory;
  std::unique_ptr<Timer> timer;
};

// In memory first, so that a disk that is full keeps no mail from going. Nobody who looks waits for
// the disk.
Status MailQueue::Impl::Change(const std::function<void(MailMemory&)>& edit) {
  const std::lock_guard writer(writing);
  std::string text;
  {
    const std::lock_guard lock(mutex);
    edit(memory);
    text = json::serialize(ToJson(memory));
  }
  return parts.log.Remember(kMemory, text);
}

// Whether anybody is left to get it.
bool MailQueue::Impl::Readdress(KeptMail& mail) {
  const std::vector<std::string> wanted = parts.addresses();
  std::erase_if(mail.to, [&](const std::string& address) { return !Has(wanted, address); });
  if (!mail.to.empty()) return true;
  const Status dropped = Change([&](MailMemory& all) {
    std::erase_if(all.waiting,
                  [&](const KeptMail& one) { return one.message_id == mail.message_id; });
  });
  if (!dropped) Log(LogLevel::kError, "a mail's end is not kept: " + dropped.error().ToString());
  return false;
}

// Of what is begun under the mutex nothing is destroyed under it: the end of a timer waits for its
// callback.
void MailQueue::Impl::Arm(Duration delay) {
  std::unique_ptr<Timer> former;
  const std::lock_guard lock(mutex);
  if (!running || memory.waiting.empty()) return;
  former = std::exchange(timer, nullptr);
  timer = parts.clock.After(delay, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->parts.lane.TryPost([self] { self->Attempt(); })) self->Arm(kLaneFull);
  });
}

Mail MailQueue::Impl::MailOf(const KeptMail& kept) const {
  Mail mail;
  mail.from = parts.from;
  mail.to = kept.to;
  mail.subject = kept.subject;
  mail.text = kept.text;
  mail.html = kept.html;
  mail.message_id = kept.message_id;
  mail.date = kept.created;
  return mail;
}

// On the lane, so one at a time: all that wait, oldest first.
void MailQueue::Impl::Attempt() {
  std::vector<KeptMail> waiting;
  {
    const std::lock_guard lock(mutex);
    if (!running) return;
    waiting = memory.waiting;
  }
  std::int64_t attempts = 0;
  for (KeptMail& mail : waiting) {
    if (!IsRunning()) return;
    if (!Readdress(mail)) continue;
    const Result<std::vector<MailOutcome>> outcomes = parts.send(MailOf(mail));
    Told(mail, outcomes);
    attempts = std::max(attempts, mail.attempts + 1);
  }
  Arm(BackOff(attempts, Dice()));
}

// What is left of a mail after an attempt: those whom the server asks to try later, all when it
// could not be asked. One that was replaced meanwhile is left to its successor.
void MailQueue::Impl::Told(const KeptMail& mail, const Result<std::vector<MailOutcome>>& outcomes) {
  KeptMail left = mail;
  ++left.attempts;
  std::vector<std::string> refused;
  bool taken = false;
  if (outcomes) {
    left.to.clear();
    left.error.clear();
    for (const MailOutcome& outcome : outcomes.value()) {
      taken = taken || outcome.accepted;
      if (outcome.accepted) continue;
      (outcome.retry ? left.to : refused).push_back(outcome.recipient);
      left.error = EscapeLine(outcome.recipient + ": " + outcome.answer, 512);
    }
    // Refused by all of them, the mail has reached nobody: it waits.
    if (!taken) left.to = mail.to;
  } else {
    left.error = EscapeLine(outcomes.error().detail + ". " + outcomes.error().remedy, 512);
  }
  const WallTime now = parts.clock.Now();
  const Status kept = Change([&](MailMemory& all) {
    std::erase_if(all.waiting, [&](KeptMail& one) {
      if (one.message_id != mail.message_id) return false;
      if (!left.to.empty()) one = left;
      return left.to.empty();
    });
    std::erase_if(all.refused, [&](const std::string& one) { return Has(mail.to, one); });
    all.refused.insert(all.refused.end(), refused.begin(), refused.end());
    if (!taken) return;
    ++all.sent_total;
    all.sent = now;
  });
  if (!kept) Log(LogLevel::kError, "a mail's end is not kept: " + kept.error().ToString());
  json::object details{{"state", taken ? "mailed" : "not mailed"},
                       {"kind", mail.kind},
                       {"attempts", left.attempts},
                       {"waiting", left.to.size()},
                       {"refused", refused.size()}};
  if (!left.error.empty()) details["error"] = left.error;
  // An outage is told once.
  if (taken || left.attempts == 1 || !refused.empty()) {
    parts.events.Tell("monitor",
                      (taken ? "mailed: " : "not mailed yet: ") + mail.subject +
                          (left.error.empty() ? "" : "; " + left.error),
                      std::move(details));
  }
}

MailQueue::MailQueue(Parts parts) : impl_(std::make_shared<Impl>(std::move(parts))) {
  impl_->memory = Recalled(impl_->parts.log);
}

MailQueue::~MailQueue() { Stop(); }

void MailQueue::Start() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->running = true;
  }
  impl_->Arm(std::chrono::seconds(1));
}

void MailQueue::Stop() {
  std::unique_ptr<Timer> former;
  const std::lock_guard lock(impl_->mutex);
  impl_->running = false;
  former = std::exchange(impl_->timer, nullptr);
}

Status MailQueue::Keep(KeptMail mail, std::vector<ToldNotice> told) {
  mail.message_id = RandomHex(16) + "@" + mail.message_id;
  const Status kept = impl_->Change([&](MailMemory& memory) {
    std::erase_if(memory.waiting, [&](const KeptMail& one) { return one.kind == mail.kind; });
    memory.kept = mail.created;
    memory.told = std::move(told);
    memory.waiting.push_back(std::move(mail));
  });
  impl_->Arm(Duration::zero());
  return kept;
}

Status MailQueue::Note(std::vector<ToldNotice> told) {
  return impl_->Change([&](MailMemory& memory) { memory.told = std::move(told); });
}

Result<std::vector<MailOutcome>> MailQueue::SendNow(KeptMail mail) {
  mail.message_id = RandomHex(16) + "@" + mail.message_id;
  return impl_->parts.send(impl_->MailOf(mail));
}

MailMemory MailQueue::Look() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->memory;
}

Findings MailQueue::Warnings() const {
  const MailMemory memory = Look();
  Findings warnings;
  for (const KeptMail& mail : memory.waiting) {
    if (mail.attempts == 0) continue;
    warnings.push_back({Severity::kWarning, "MAIL_WAITS",
                        "a mail of " + FormatTime(mail.created) + " to " +
                            std::to_string(mail.to.size()) + " recipient(s) was not taken " +
                            std::to_string(mail.attempts) +
                            " time(s), and is tried again: " + mail.error,
                        ""});
  }
  const std::vector<std::string> wanted = impl_->parts.addresses();
  for (const std::string& address : memory.refused) {
    if (!Has(wanted, address)) continue;
    warnings.push_back({Severity::kWarning, "MAIL_REFUSED",
                        "the mail server refuses " + EscapeLine(address, 256) +
                            " for good: correct monitor-addresses ('signet monitor set')",
                        ""});
  }
  return warnings;
}

}  // namespace signet::services
