#include "rpc/change_runner.h"

#include "services/changes.h"

namespace signet::rpc {

namespace asio = boost::asio;

namespace {

class ServicesRunner final : public ChangeRunner {
 public:
  explicit ServicesRunner(services::Changes& changes) : changes_(changes) {}

  asio::awaitable<Result<json::value>> Run(services::RequestContext context, std::string method,
                                           std::string digest, Work work) override {
    return changes_.Run(std::move(context), std::move(method), std::move(digest), std::move(work));
  }
  asio::awaitable<void> NoteRefused(services::RequestContext context, std::string method,
                                    std::string digest, Error error) override {
    return changes_.NoteRefused(std::move(context), std::move(method), std::move(digest),
                                std::move(error));
  }

 private:
  services::Changes& changes_;
};

}  // namespace

std::unique_ptr<ChangeRunner> RunnerOf(services::Changes& changes) {
  return std::make_unique<ServicesRunner>(changes);
}

}  // namespace signet::rpc
