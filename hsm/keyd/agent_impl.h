// What the parts of Agent share (agent*.cc alone).
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hsm/keyd/agent.h"
#include "hsm/keyd/counters.h"
#include "hsm/keyd/server.h"
#include "hsm/keyd/throttle_file.h"
#include "platform/encoding.h"
#include "platform/json.h"
#include "platform/secret.h"

namespace signet::hsm {

struct Agent::Impl final : AgentBackend {
  Impl(AgentConfig given, FileSystem& files_in)
      : config(std::move(given)),
        files(files_in),
        access(config.services, geteuid()),
        throttle(config.directory + "/throttle.json", files_in) {}

  AgentConfig config;
  FileSystem& files;
  const AgentAccess access;
  ThrottleFile throttle;
  FileLock lock;
  Secret credential;
  const std::string instance = RandomHex(8);
  std::unique_ptr<TokenOwner> owner;
  UseCounters counters;
  Survival survival;
  std::unique_ptr<AgentServer> server;

  std::mutex view_mutex;
  std::shared_ptr<const VirtualObjects> view = std::make_shared<VirtualObjects>();
  std::string view_digest;

  std::mutex probe_mutex;
  std::condition_variable probe_wake;
  bool stopping = false;
  bool probing = false;  // a look at the token is under way
  SteadyTime probing_since{};
  unsigned prober_number = 0;        // of the thread that counts; others came late
  std::vector<std::thread> late;     // that did not come back from the token in time
  std::size_t lost = 0;              // of these, not back yet
  std::uint64_t warmed = 0;          // version of the view whose keys were taken up
  std::optional<Status> started;     // how the start of the token ended
  bool lock_after_start = false;     // by hand, says the predecessor
  std::atomic<bool> suspect{false};  // it made a wrong signature
  std::thread prober;

  Status Open(Clock& clock);
  using Survivors = std::vector<std::pair<std::string, int>>;
  std::vector<AgentSocket> Sockets(uid_t manager) const;
  Status OpenSockets(const std::vector<AgentSocket>& sockets, Survivors& left);
  void TakeUpSurvivors(Survivors& left);
  // What a predecessor left, if there was one.
  Result<bool> TakeOver(const std::vector<AgentSocket>& sockets, Clock& clock);
  Status TakeOver(std::string_view bytes, const std::vector<AgentSocket>& sockets, Clock& clock);
  Result<int> HandOver();
  Status TakeView(std::string_view document);
  void ReadViewFile();
  void StartProber();
  void Probe(unsigned number);
  Status StartToken();
  void WarmUp();
  Result<json::value> Run(std::string_view method, std::string_view octets);
  json::value State();

  // AgentBackend
  std::shared_ptr<const VirtualObjects> View() override {
    const std::lock_guard guard(view_mutex);
    return view;
  }
  TokenInfo Description() override { return owner->Info(); }
  std::vector<CK_MECHANISM_TYPE> Mechanisms() override { return owner->TokenMechanisms(); }
  CK_RV Ready() override;
  Result<std::string> Sign(const KeyId& key, const wire::Mechanism& mechanism,
                           std::string_view data) override;
  void CountUse(const std::string& purpose, const KeyId& key, uid_t uid,
                CK_MECHANISM_TYPE mechanism) override {
    counters.Count(purpose, key, uid, mechanism);
  }
  void CountUndelivered() override { counters.CountUndelivered(); }
  void ReportHang() override;
  void Tick() override;
  TokenObjects& Objects() override { return owner->objects(); }
  Result<KeySpec> KeySpecOf(const KeyId& key) override { return owner->Spec(key); }
  bool IsManager(std::string_view given) override;
  std::string Control(std::string_view method, std::string_view octets) override;
};

}  // namespace signet::hsm
