#include "services/connections/connection_doors.h"

#include "platform/encoding.h"
#include "platform/run_once.h"
#include "platform/tls_fetch.h"
#include "services/connections/ike_peers.h"
#include "services/control/wire_look.h"

namespace signet::services {

using keystore::x509::Certificate;

namespace {

constexpr Duration kProbeLimit = std::chrono::seconds(10);
constexpr Duration kCloseLimit = std::chrono::seconds(10);
constexpr std::size_t kMaxOutput = 64 * 1024, kMaxPeer = 256;

Result<Connection> ProbeEndpoint(const WatchedConnection& watched, Connection connection,
                                 const AddressPolicy& policy) {
  TlsFetchRequest request;
  request.target = watched.endpoint->target;
  request.server_name = watched.endpoint->name;
  request.starttls = watched.endpoint->starttls;
  request.policy = policy;
  const TlsFetched fetched = FetchTls(request);
  if (fetched.error) return *fetched.error;
  std::vector<Certificate> chain;
  for (const Bytes& der : fetched.chain) {
    auto certificate = Certificate::FromDer(der);
    // What is sent beside it may be anything, and vouches for nothing then.
    if (!certificate && chain.empty()) return std::move(certificate).error();
    if (certificate) chain.push_back(std::move(certificate).value());
  }
  connection.registration.SetChain(chain);
  connection.registration.id = watched.name;
  connection.registration.peer = EndpointText(*watched.endpoint);
  return connection;
}

}  // namespace

Result<std::vector<Connection>> Probe(const WatchedConnection& watched, const AddressPolicy& policy,
                                      const std::string& helper, WallTime now) {
  Connection connection;
  connection.watched = &watched;
  connection.registration.kind = watched.kind;
  connection.registration.store = watched.store;
  connection.registration.by = "probe " + watched.name;
  connection.registration.since = now;
  std::vector<Connection> found;
  if (watched.endpoint) {
    SIGNET_TRY(Connection one, ProbeEndpoint(watched, std::move(connection), policy));
    found.push_back(std::move(one));
    return found;
  }
  SIGNET_TRY(const std::vector<IkePeer> peers,
             ListIkePeers({.helper = helper, .uri = watched.vici}, kProbeLimit));
  for (const IkePeer& peer : peers) {
    Connection one = connection;
    one.ike_sa = peer.id;
    one.registration.id = watched.name + "-" + peer.id;
    one.registration.peer =
        EscapeLine(peer.identity + " at " + peer.host + " (" + peer.connection + ")", kMaxPeer);
    one.registration.SetChain(peer.chain);
    found.push_back(std::move(one));
  }
  return found;
}

Result<std::string> CloseConnection(const Connection& connection, const WatchedConnection* row,
                                    const std::string& helper) {
  if (!connection.ike_sa.empty()) {
    SIGNET_TRY(CloseIke({.helper = helper, .uri = connection.watched->vici}, connection.ike_sa,
                        kCloseLimit));
    return std::string("the IKE_SA was closed");
  }
  if (row == nullptr || row->close.empty()) return std::string();
  ProcessSpec spec;
  spec.command = row->close;
  spec.environment = {{"SIGNET_CONNECTION", connection.registration.id},
                      {"SIGNET_PEER", connection.registration.peer},
                      {"SIGNET_REASON", connection.reason}};
  SIGNET_TRY(const RunOutput run, RunOnce(helper, spec, kCloseLimit, kMaxOutput));
  if (run.ended.empty()) return "closed by " + row->close.front();
  return MakeError(Kind::kUnavailable, "CLOSE_FAILED",
                   row->close.front() + " " + run.ended + ": " + EscapeLine(run.output, 256),
                   "Close the connection by hand, and mend the command.");
}

}  // namespace signet::services
