#include "tests/rpc/fake_changes.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

class FakeChanges final : public services::ChangeRunner {
 public:
  explicit FakeChanges(std::shared_ptr<ChangeMemory> memory) : memory_(std::move(memory)) {}

  asio::awaitable<Result<json::value>> Run(services::RequestContext context, std::string method,
                                           std::string digest, Work work) override {
    const std::string key = context.idempotency_key;
    {
      const std::lock_guard lock(memory_->mutex);
      const auto at = memory_->answers.find(key);
      if (!key.empty() && at != memory_->answers.end()) {
        if (at->second.first == method + digest) co_return at->second.second;
        co_return MakeError(Kind::kConflict, "IDEMPOTENCY_KEY_REUSED", "same key, other content",
                            "Use another key.");
      }
      memory_->runs.push_back({context.actor, method, digest, "", ""});
    }
    auto operation = std::make_shared<keystore::Operation>();
    operation->id = "op-1";
    Result<json::value> result = co_await work(std::move(operation));
    const std::lock_guard lock(memory_->mutex);
    if (result && !key.empty()) memory_->answers[key] = {method + digest, result.value()};
    co_return result;
  }

  asio::awaitable<void> NoteRefused(services::RequestContext context, std::string method,
                                    std::string digest, Error error) override {
    const std::lock_guard lock(memory_->mutex);
    memory_->refusals.push_back({context.actor, method, digest, error.word, error.detail});
    co_return;
  }

 private:
  std::shared_ptr<ChangeMemory> memory_;
};

}  // namespace

std::vector<NotedChange> ChangeMemory::Runs() {
  const std::lock_guard lock(mutex);
  return runs;
}

std::vector<NotedChange> ChangeMemory::Refusals() {
  const std::lock_guard lock(mutex);
  return refusals;
}

std::unique_ptr<services::ChangeRunner> MakeFakeChanges(std::shared_ptr<ChangeMemory> memory) {
  return std::make_unique<FakeChanges>(std::move(memory));
}

}  // namespace signet::rpc
