// Who is connected by IPsec right now, and how such a connection is closed: asked of strongSwan's
// own `swanctl` (package strongswan-swanctl), which speaks VICI with charon.
#pragma once

#include <string>
#include <vector>

#include "keystore/x509/certificate.h"
#include "platform/clock.h"
#include "platform/error.h"

namespace signet::services {

struct IkePeer {
  std::string id;          // unique id of the IKE_SA, "12"; a rekeyed IKE_SA has a new one
  std::string connection;  // name in strongSwan's configuration
  std::string host;        // remote address
  std::string identity;    // remote IKE identity as strongSwan writes it
  // The peer's own certificate, then those above it that charon knows, perhaps with the root.
  //
  // VICI does not say which certificate an IKE_SA was authenticated with. charon (5.9) lists the
  // certificates that were loaded and those that peers sent and it verified, and this is the only
  // one of them with the peer's identity. Empty, so unknown: none has it (charon keeps 256
  // verified pairs of issuer and issued, until they fall out or somebody flushes them), or several
  // different ones have it (the former one of a peer that was renewed stays known until then;
  // `swanctl --flush-certs` before the peer connects again helps), or its name is ambiguous as
  // text. A peer that used a pre-shared key and has a known certificate's identity looks as if it
  // had used that.
  std::vector<keystore::x509::Certificate> chain;
};

struct IkeDoor {
  std::string helper;                         // where signet-run lies
  std::string swanctl = "/usr/sbin/swanctl";  // as an absolute path
  std::string uri;  // of VICI, "unix:///run/charon.vici"; empty: the default
};

// Both block, and are thread-safe. Errors: those of RunOnce (platform/run_once.h), and kUnavailable
// SWANCTL_NOT_STARTED, IKE_DAEMON_NOT_RUNNING, IKE_SOCKET_DENIED, SWANCTL_FAILED, IKE_LISTING_ODD.

// All established IKE_SAs.
Result<std::vector<IkePeer>> ListIkePeers(const IkeDoor& door, Duration limit);

// Terminates that IKE_SA, with its CHILD_SAs; a peer that does not answer to that has half of the
// limit, then it goes without him. kNotFound IKE_SA_GONE when it is gone already, kUsage
// IKE_SA_ID_INVALID for what is no id, kUnavailable IKE_SA_NOT_CLOSED when it is still there.
Status CloseIke(const IkeDoor& door, const std::string& id, Duration limit);

}  // namespace signet::services
