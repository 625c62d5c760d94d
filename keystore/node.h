// What this node is in its cluster. Types only.
#pragma once

#include <string>
#include <vector>

namespace signet::keystore {

struct NodeNames {
  std::string cluster;             // [a-z0-9-]
  std::string node;                // FQDN, lower case
  std::string domain;              // parent domain
  std::vector<std::string> nodes;  // FQDNs of all nodes of the cluster, this one among them
  std::vector<std::string> hosted_domains;
  bool publisher = true;
};

}  // namespace signet::keystore
