// The composition root: builds the object graph of the daemon and runs it. No other place knows all
// parts.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tools/config.h"

namespace signet::tools {

struct ReadyReport {
  std::string socket, keys, url;
};

class Appliance {
 public:
  // Opens state and token, binds the listeners. A state is made where its folder is absent or
  // empty, but never beside a token that holds keys (kConflict STATE_LOST): then a state was lost,
  // and a new one would leave its keys without owner.
  static Result<std::unique_ptr<Appliance>> Open(Config config);
  ~Appliance();

  // Serves until SIGTERM or SIGINT. `ready` is called once requests are answered. False when a
  // thread hangs in the token's module and was left behind: the process must then end without
  // destroying this.
  bool Run(const std::function<void(const ReadyReport&)>& ready);

 private:
  struct Parts;
  explicit Appliance(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace signet::tools
