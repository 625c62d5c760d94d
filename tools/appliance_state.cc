// State, token, and what follows each change of them.
#include "keystore/format.h"
#include "platform/logging.h"
#include "services/key_view.h"
#include "tools/appliance_parts.h"

namespace signet::tools {

namespace {

constexpr char kLockFile[] = "lock";

}  // namespace

Status Appliance::Parts::OpenState() {
  SIGNET_TRY(files->MakeDirectory(config.state_directory, 0700));
  const std::string folder = config.state_directory + "/";
  // Before anything is opened: a second daemon must not even log in to the token.
  SIGNET_TRY(state_lock, FileLock::Take(folder + kLockFile));
  // Made one after the other, so a first start that was cut off leaves an empty log alone; a store
  // that is missing beside a log with records was lost, and is not replaced.
  const auto absent = [&](const char* name) { return !files->Info(folder + name); };
  const bool no_store = absent("store.db");
  SIGNET_TRY(log,
             keystore::NodeLog::Open(folder + "node.db", no_store && absent("node.db"), *clock));
  if (no_store) {
    SIGNET_TRY(std::vector<keystore::AuditRecord> records, log->Audit(0, 1));
    SIGNET_TRY(std::vector<keystore::JournalEntry> pending, log->Pending());
    create = records.empty() && pending.empty();
  }
  SIGNET_TRY(store, keystore::OpenSqliteStore(folder + "store.db", create));
  SIGNET_TRY(keystore::OpenFormat(*store, catalogue.product, config.names.cluster,
                                  keystore::Migrations()));
  SIGNET_TRY(state, keystore::State::Open(
                        *store, keystore::Layout(config.names.cluster, config.names.node)));
  return Ok();
}

Status Appliance::Parts::OpenToken() {
  const hsm::AgentConfig& keyd = config.keyd.agent;
  if (!config.dev_folder.empty()) {
    SIGNET_TRY(DevKeyd begun, DevKeyd::Start(config.dev_folder, keyd.management_socket));
    dev_keyd.emplace(std::move(begun));
  }
  SIGNET_TRY(token, hsm::TokenClient::Open({config.keyd.client_module, keyd.management_socket,
                                            keyd.credential, keyd.token.uri},
                                           *files));
  committer = std::make_unique<keystore::Committer>(*state, *clock);
  identities = std::make_unique<keystore::Identities>(catalogue, config.names, *state, *committer,
                                                      token->token(), *clock);
  trust = std::make_unique<keystore::Trust>(catalogue, config.names, *state, *committer, *clock);
  // Whatever changes the listener's certificate or its key's handle leads here, on the thread that
  // changed it.
  identities->OnInstalled([this](const keystore::Purpose& purpose) {
    if (purpose.tls_listener) RefreshTls();
  });
  token->OnRebuild([this] { return RefreshTls(); });
  if (dev_keyd) {
    token->OnUnreachable([this] {
      const Status revived = dev_keyd->Revive();
      if (!revived) Log(LogLevel::kError, revived.error().ToString());
    });
  }
  return Ok();
}

Status Appliance::Parts::CheckNewState() {
  if (!create || token->Info().state != hsm::TokenState::kOperational) return Ok();
  SIGNET_TRY(std::vector<hsm::TokenKey> found, token->token().List());
  if (found.empty()) return Ok();
  state.reset();
  store.reset();
  for (const char* file :
       {"store.db", "store.db-wal", "store.db-shm", "node.db", "node.db-wal", "node.db-shm"}) {
    SIGNET_TRY(files->Remove(config.state_directory + "/" + file));
  }
  return MakeError(Kind::kConflict, "STATE_LOST",
                   "the token holds " + std::to_string(found.size()) +
                       " private keys, but there is no state in " + config.state_directory,
                   "Is the right directory configured and mounted? Restore the state from a "
                   "backup, or use an empty token.");
}

// Each change is published by the thread that committed it, before its answer leaves. A failure is
// a warning of the status, and tried again.
void Appliance::Parts::StartPublishing() {
  publisher = std::make_unique<services::Publisher>(
      catalogue, *state, *files, config.services,
      services::PublishOptions{config.keyd.agent.token.uri, config.keyd.agent.socket,
                               config.keyd.client_module});
  // A chain is published once services see its key: when they do not, Caretaker tries again.
  state->OnChange([this](const keystore::Snapshot& now) {
    if (ShowKeys(now)) std::ignore = publisher->Publish(now);
  });
  if (ShowKeys(*state->Now())) std::ignore = publisher->PublishNow();
}

bool Appliance::Parts::RefreshTls() {
  Result<keystore::TlsMaterial> material = identities->Tls();
  std::lock_guard lock(listener_mutex);
  if (server == nullptr || server->tls() == nullptr) return true;
  if (material) {
    server->tls()->UseIdentity(
        {std::move(material.value().chain), std::move(material.value().key)});
    return true;
  }
  // Before the first boot has made it there is none, and whoever makes it calls again.
  if (material.error().word == "NO_IDENTITY") return true;
  Log(LogLevel::kWarning, "the TLS listener has no identity: " + material.error().ToString());
  return false;
}

// Services see a key before anybody is told of its certificate.
bool Appliance::Parts::ShowKeys(const keystore::Snapshot& snapshot) {
  std::vector<keystore::Revision> revisions;
  for (const auto& [purpose, row] : snapshot.identities) revisions.push_back(row.modified);
  {
    std::lock_guard lock(shown_mutex);
    if (revisions == shown) return true;
    shown = std::move(revisions);
  }
  const Status given = token->Show(services::MakeKeyView(catalogue, snapshot));
  // The token's client gives it again.
  if (!given) Log(LogLevel::kWarning, "services do not see new keys yet: " + given.error().detail);
  return given.has_value();
}

}  // namespace signet::tools
