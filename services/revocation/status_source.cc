#include "services/revocation/status_source.h"

#include "services/revocation/round.h"

namespace signet::services {

struct StatusSource::Impl {
  explicit Impl(Parts given) : lane(given.lane), desk(given.clock, std::move(given.policy)) {}

  Lane& lane;
  StatusDesk desk;
  const std::shared_ptr<Traffic> traffic = std::make_shared<Traffic>();
};

StatusSource::StatusSource(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
StatusSource::~StatusSource() = default;

StatusAnswer StatusSource::Ask(const StatusQuestion& question, const StatusRules& rules) {
  Inquiry inquiry(impl_->desk, question, rules, ++impl_->desk.rounds);
  while (!inquiry.Next().empty()) inquiry.Step();
  return inquiry.answer();
}

std::vector<StatusAnswer> StatusSource::AskAll(std::span<const StatusQuestion> questions,
                                               const StatusRules& rules) {
  const RoundNumber number = ++impl_->desk.rounds;
  std::vector<std::unique_ptr<Inquiry>> inquiries;
  inquiries.reserve(questions.size());
  for (const StatusQuestion& question : questions) {
    inquiries.push_back(std::make_unique<Inquiry>(impl_->desk, question, rules, number));
  }
  const auto round = std::make_shared<Round>(impl_->traffic, impl_->lane, std::move(inquiries));
  round->Run();
  std::vector<StatusAnswer> answers;
  answers.reserve(questions.size());
  for (const auto& inquiry : round->inquiries()) answers.push_back(inquiry->answer());
  return answers;
}

void StatusSource::ForgetFailures() { impl_->desk.responders.Forget(); }

StatusFigures StatusSource::Look() const {
  const StatusDesk& desk = impl_->desk;
  StatusFigures figures;
  {
    const std::lock_guard lock(desk.mutex);
    for (const auto& [what, count] : desk.counts) {
      figures.outcomes.push_back({what.first, what.second, count});
    }
  }
  figures.cache_hits = desk.cache_hits;
  figures.answers = desk.answers.size();
  figures.lists = desk.lists.size();
  figures.list_octets = desk.lists.octets();
  figures.backing_off = desk.responders.BackingOff();
  return figures;
}

}  // namespace signet::services
