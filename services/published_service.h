// A server of this machine that uses keys of purposes: whose files are published, and where. Types
// only.
#pragma once

#include <string>
#include <vector>

namespace signet::services {

struct PublishedService {
  std::string name;         // of its table in the configuration; for people
  std::string user, group;  // of its workers; one may be empty
  std::vector<std::string> purposes;
  std::string server;         // the kind whose include files are rendered (servers.h); empty: none
  std::string socket;         // a key socket of its own; empty: the common one
  std::string folder;         // absolute; of characters that need no quotes anywhere
  std::string owner;          // of the files; empty: the daemon's user
  std::string file_group;     // of files and folders; empty: `group`, or the first one of `user`
  unsigned file_mode = 0640;  // of the files; of the folders it follows
};

// What all services have in common.
struct PublishOptions {
  std::string token_uri;  // RFC 7512, of the token that the key socket shows
  std::string socket;     // the common key socket
  std::string module;     // p11-kit-client.so
};

}  // namespace signet::services
