#include "services/connections/connections.h"

#include <algorithm>

#include "keystore/node_log.h"
#include "keystore/settings.h"
#include "keystore/x509/pem.h"
#include "platform/encoding.h"
#include "platform/logging.h"
#include "services/joined.h"
#include "services/paging.h"
#include "services/revocation/revocation.h"

namespace signet::services {

using keystore::x509::Certificate;

namespace {

constexpr char kMemory[] = "connection/";
constexpr std::chrono::seconds kPatience{20};  // for a check that is under way
constexpr Duration kRoundLimit = std::chrono::hours(6);
constexpr std::size_t kMaxChain = 8, kMaxItems = 1000, kMaxPeer = 256;
constexpr std::size_t kMaxChainText = 64u << 10;    // of one registration, PEM
constexpr std::size_t kMaxChainsOfOne = 48u << 20;  // of who registers them, all together

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

Error Unknown(const std::string& id) {
  return MakeError(Kind::kNotFound, "CONNECTION_UNKNOWN",
                   "no connection " + EscapeLine(id, 80) + " is registered",
                   "'signet connection list' shows those that are.");
}

Error OfAnother(const std::string& id) {
  return MakeError(Kind::kDenied, "CONNECTION_OF_ANOTHER",
                   "the connection " + EscapeLine(id, 80) + " was registered by somebody else",
                   "Register under another id; an operator may remove it.");
}

}  // namespace

Connections::Connections(Parts parts) : parts_(std::move(parts)) {
  const auto kept = parts_.log.RecallAll(kMemory);
  if (!kept) {
    Log(LogLevel::kError,
        "connections that were registered are not known: " + kept.error().ToString());
    return;
  }
  for (const std::string& text : kept.value()) {
    auto read = ReadConnection(text);
    if (!read) {
      Log(LogLevel::kError, "a connection is left out: " + read.error().ToString());
      continue;
    }
    const std::string id = read.value().registration.id;
    held_[id] = std::make_shared<const Connection>(std::move(read).value());
  }
}

Connections::Held Connections::Now() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::string Connections::StoreOf(const std::string& kind) const {
  for (const ConnectionKind& row : kConnectionKinds) {
    if (row.name == kind)
      return std::string(parts_.catalogue.product == "cucm" ? row.cucm_store : row.imp_store);
  }
  return {};
}

bool Connections::IsProbes(const std::string& id) const {
  return std::any_of(parts_.watched.begin(), parts_.watched.end(), [&](const auto& watched) {
    return id == watched.name || (watched.ike && id.starts_with(watched.name + "-"));
  });
}

Result<Connection> Connections::Read(const RequestContext& context,
                                     const api::ConnectionRegisterRequest& request) const {
  Connection connection;
  Registration& registration = connection.registration;
  registration.kind = request.kind;
  const std::string own = StoreOf(request.kind);
  if (own.empty()) {
    return MakeError(Kind::kUsage, "CONNECTION_KIND_UNKNOWN",
                     "there is no kind of connection '" + EscapeLine(request.kind, 32) + "'",
                     "The kinds are cti, ipsec and ldap.");
  }
  SIGNET_TRY(const keystore::TrustStoreRow* row,
             keystore::FindTrustStore(parts_.catalogue, request.store.value_or(own)));
  registration.store = row->name;
  if (request.peer.empty() || request.peer.size() > kMaxPeer) {
    return MakeError(Kind::kUsage, "PEER_INVALID", "a peer has 1 to 256 characters",
                     "Name its address or host: 10.1.1.7:2748.");
  }
  registration.peer = EscapeLine(request.peer, kMaxPeer);
  if (request.id && !IsId(*request.id)) {
    return MakeError(Kind::kUsage, "CONNECTION_ID_INVALID",
                     "'" + EscapeLine(*request.id, 80) + "' is no id of a connection",
                     "1 to 64 of letters, digits, '.', '_' and '-'; or leave it out.");
  }
  if (request.id && IsProbes(*request.id)) {
    return MakeError(Kind::kUsage, "CONNECTION_ID_RESERVED",
                     *request.id + " is the name of a [connection] of the configuration",
                     "Register under another id.");
  }
  if (request.certificates.size() > kMaxChainText) {
    return MakeError(Kind::kUsage, "CHAIN_TOO_LARGE", "a peer's chain has 64 KiB at most",
                     "Send the peer's certificate and its intermediates, nothing else.");
  }
  registration.id = request.id.value_or("");
  registration.by = context.actor;
  registration.since = parts_.clock.Now();
  SIGNET_TRY(const std::vector<Certificate> chain,
             keystore::x509::ReadCertificates(request.certificates, kMaxChain));
  registration.SetChain(chain);
  return connection;
}

Result<api::Page<api::ConnectionInfo>> Connections::List(const api::PageRequest& request) const {
  auto describe = [](const std::shared_ptr<const Connection>& one) { return Describe(*one); };
  return MakePage<api::Page<api::ConnectionInfo>>(Now(), request.limit, request.cursor, describe);
}

boost::asio::awaitable<Result<api::ConnectionRegistered>> Connections::Register(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::ConnectionRegisterRequest request) {
  SIGNET_CO_TRY(Connection read, Read(context, request));
  if (read.registration.id.empty()) read.registration.id = operation->id;
  auto made = std::make_shared<Connection>(std::move(read));
  const bool service = context.role == Role::kService;
  auto job = [this, operation, service, made]() -> Result<api::ConnectionRegistered> {
    const std::string id = made->registration.id;
    const TrustMark mark = MarkOf(*parts_.state.Now());
    JudgeAll({made}, false);
    if (stopping_) return ShuttingDown();
    const std::lock_guard turn(turn_);
    const Held held = Now();
    std::size_t own = 0, octets = made->registration.Octets();
    for (const auto& [other, connection] : held) {
      if (connection->registration.by != made->registration.by || other == id) continue;
      ++own;
      octets += connection->registration.Octets();
    }
    const auto known = held.find(id);
    if (known != held.end()) {
      const Connection& former = *known->second;
      if (former.watched != nullptr || (service && former.registration.by != made->registration.by))
        return OfAnother(id);
    } else if (held.size() >= kMaxConnections || own >= kMaxConnectionsOfOne) {
      return MakeError(Kind::kExhausted, "TOO_MANY_CONNECTIONS",
                       std::to_string(own) + " connections of yours are registered, of " +
                           std::to_string(held.size()) + " in all",
                       "Remove those that are over: 'signet connection remove ID'.");
    }
    if (octets > kMaxChainsOfOne) {
      return MakeError(Kind::kExhausted, "TOO_MANY_CONNECTIONS",
                       "the chains of your " + std::to_string(own) +
                           " connections have more than 48 MiB together",
                       "Remove those that are over: 'signet connection remove ID'.");
    }
    SIGNET_TRY(parts_.log.Remember(kMemory + id, ToText(made->registration)));
    {
      const std::lock_guard lock(mutex_);
      held_[id] = made;
      // It is closed, or asked for again, with the next short look.
      if ((made->failing() || made->unproved) && troubled_.insert(id).second) again_ = 0;
      if (MarkOf(*parts_.state.Now()) != mark) seen_ = 0;  // judged by what is no more
    }
    operation->detail = "connection " + id + " to " + made->registration.peer + ", " + made->state;
    api::ConnectionRegistered answer;
    answer.operation = operation->id;
    answer.id = id;
    answer.state = made->state;
    answer.reason = made->reason;
    if (made->failing()) {
      answer.findings.push_back({Severity::kWarning, "CONNECTION_FAILS",
                                 "close it: " + made->reason, made->registration.fingerprint});
    }
    return answer;
  };
  co_return co_await RunOn(parts_.lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Change>> Connections::Remove(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::IdRequest request) {
  auto job = [this, operation, context, id = std::move(request.id)]() -> Result<api::Change> {
    const std::lock_guard turn(turn_);
    const Held held = Now();
    const auto known = held.find(id);
    if (known == held.end()) return Unknown(id);
    if (known->second->watched != nullptr) {
      return MakeError(Kind::kRefused, "CONNECTION_PROBED",
                       id + " was found by a probe of the configuration",
                       "Take its [connection] table out of signet.toml to stop looking at it.");
    }
    if (context.role == Role::kService && known->second->registration.by != context.actor)
      return OfAnother(id);
    SIGNET_TRY(parts_.log.Forget(kMemory + id));
    const std::lock_guard lock(mutex_);
    held_.erase(id);
    operation->detail = "connection " + id;
    api::Change change;
    change.changed = true;
    change.operation = operation->id;
    return change;
  };
  co_return co_await RunOn(parts_.store_lane, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::ConnectionCheck>> Connections::Check(
    RequestContext, std::shared_ptr<keystore::Operation> operation) {
  auto job = [this]() -> Result<Round> {
    SIGNET_TRY(Round round, CheckAll(Due::kTime, kPatience));
    CloseFailing(round);
    return round;
  };
  SIGNET_CO_TRY(const Round round, co_await RunOn(parts_.lane, std::move(job), kRoundLimit));
  api::ConnectionCheck answer;
  answer.operation = operation->id;
  answer.checked = static_cast<std::int64_t>(round.found.size());
  answer.failing = static_cast<std::int64_t>(round.failing);
  answer.unknown = static_cast<std::int64_t>(round.unknown);
  answer.closed = static_cast<std::int64_t>(round.closed);
  for (const auto& [id, connection] : round.found) {
    if (connection->state != "good" && answer.connections.size() < kMaxItems)
      answer.connections.push_back(Describe(*connection));
  }
  operation->detail = std::to_string(round.found.size()) + " connections, " +
                      std::to_string(round.failing) + " fail" +
                      (round.told.empty() ? "" : ": " + EscapeLine(Joined(round.told), 1024));
  co_return answer;
}

Findings Connections::Warnings() const {
  const std::lock_guard lock(mutex_);
  Findings findings = probes_;
  std::size_t failing = 0;
  std::string first;
  for (const auto& [id, connection] : held_) {
    if (connection->failing() && ++failing == 1) first = id + ", " + connection->reason;
  }
  if (failing > 0) {
    findings.push_back({Severity::kError, "CONNECTION_FAILS",
                        std::to_string(failing) + " connection(s) must be closed, first " + first +
                            ": 'signet connection list'",
                        ""});
  }
  return findings;
}

std::map<std::string, std::map<std::string, std::size_t>> Connections::Figures() const {
  std::map<std::string, std::map<std::string, std::size_t>> figures;
  for (const ConnectionKind& kind : kConnectionKinds) {
    for (const char* state : {"good", "failing", "unknown"}) figures[std::string(kind.name)][state];
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [id, connection] : held_)
    ++figures[connection->registration.kind][connection->state];
  return figures;
}

}  // namespace signet::services
