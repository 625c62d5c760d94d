#include "tools/connection_config.h"

#include <algorithm>

#include "tools/control_config.h"

namespace signet::tools {

using services::ConnectionKind;
using services::WatchedConnection;

std::vector<WatchedConnection> ReadConnections(TomlTable& root,
                                               const keystore::Catalogue& catalogue) {
  std::vector<WatchedConnection> watched;
  for (auto& [name, table] : root.Named("connection")) {
    WatchedConnection one;
    one.name = name;
    one.kind = table.String("kind");
    const auto row =
        std::find_if(std::begin(services::kConnectionKinds), std::end(services::kConnectionKinds),
                     [&](const ConnectionKind& kind) { return kind.name == one.kind; });
    if (row == std::end(services::kConnectionKinds)) {
      table.Fail("kind", "must be cti, ipsec or ldap");
    } else {
      one.store = catalogue.product == "cucm" ? row->cucm_store : row->imp_store;
    }
    if (table.Has("store")) {
      auto store = keystore::FindTrustStore(catalogue, table.String("store"));
      if (store) one.store = store.value()->name;
      if (!store) table.Fail("store", store.error().detail + ". " + store.error().remedy);
    }
    for (TomlTable& endpoint : table.Tables("endpoint")) {
      if (one.endpoint) table.Fail("endpoint", "may stand there once; name another connection");
      one.endpoint = ReadEndpoint(endpoint, {});
    }
    one.ike = table.Has("vici");
    one.vici = table.String("vici", "");
    if (one.ike && !one.vici.starts_with("unix:///"))
      table.Fail("vici", "must be the URI of strongSwan's socket: unix:///run/charon.vici");
    if (one.ike && one.kind != "ipsec") table.Fail("vici", "is for kind = \"ipsec\"");
    if (one.ike && one.endpoint) table.Fail("vici", "and an endpoint exclude each other");
    one.close = table.Strings("close");
    if (!one.close.empty() && !one.close.front().starts_with('/'))
      table.Fail("close", "must be a list: the program's absolute path, then its arguments");
    if (one.ike && !one.close.empty()) table.Fail("close", "is not needed: strongSwan closes");
    if (!one.ike && !one.endpoint && one.close.empty())
      table.Fail("close", "or an endpoint, or vici: the table says nothing otherwise");
    const bool of_kind = !one.endpoint && !one.ike;
    const auto before = std::ranges::find_if(watched, [&](const WatchedConnection& other) {
      return of_kind && !other.endpoint && !other.ike && other.kind == one.kind;
    });
    if (before != watched.end()) {
      table.Fail("close", "connections of kind \"" + one.kind + "\" are closed by [connection." +
                              before->name + "] already");
    }
    watched.push_back(std::move(one));
  }
  return watched;
}

}  // namespace signet::tools
