// Changes without a store: remembers what it was told, in memory.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "services/change_runner.h"

namespace signet::rpc {

struct NotedChange {
  std::string actor, method, digest, word, detail;
};

struct ChangeMemory {
  std::mutex mutex;
  std::vector<NotedChange> runs, refusals;
  std::map<std::string, std::pair<std::string, json::value>> answers;

  std::vector<NotedChange> Runs();
  std::vector<NotedChange> Refusals();
};

std::unique_ptr<services::ChangeRunner> MakeFakeChanges(std::shared_ptr<ChangeMemory> memory);

}  // namespace signet::rpc
