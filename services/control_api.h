// Shapes of requests and answers, as in api.h, about services and their restarts. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "platform/json.h"

namespace signet::services::api {

struct ServiceInfo {
  std::string service, node, group;  // group: feature | network
  std::string status;               // running, stopped, starting, failed, unmanaged, not configured
  std::string reason;               // of a failure
  std::optional<WallTime> since;    // of the status
  std::string serving;              // serial(s) seen on the wire, or empty
  std::string wire;                 // current, or the worst that its endpoints showed; empty: none
  bool owed = false;                // a restart is
  std::vector<std::string> causes;  // of it: purposes, trust stores, "CA chain"
  std::string driver;               // systemd, process, builtin, unmanaged, or empty
};
BOOST_DESCRIBE_STRUCT(ServiceInfo, (),
                      (service, node, group, status, reason, since, serving, wire, owed, causes,
                       driver))
struct ServiceRequest {
  std::string service;
};
BOOST_DESCRIBE_STRUCT(ServiceRequest, (), (service))

// One handshake with an endpoint.
struct ServiceProof {
  std::string service, endpoint, purpose;
  std::string verdict;  // current, former, other, incomplete, invalid, unreachable
  std::string detail, remedy;
  std::string fingerprint, serial, protocol;
};
BOOST_DESCRIBE_STRUCT(ServiceProof, (),
                      (service, endpoint, purpose, verdict, detail, remedy, fingerprint, serial,
                       protocol))

struct ServiceChange {
  bool changed = false;
  std::string operation, service, status;
  std::vector<std::string> restarted;  // with it, those below it among them
  std::vector<ServiceProof> proofs;
  std::vector<std::string> owed;  // causes that are still owed
  Findings findings;              // what is not served as it should be
};
BOOST_DESCRIBE_STRUCT(ServiceChange, (),
                      (changed, operation, service, status, restarted, proofs, owed, findings))

struct ServiceStep {
  std::string service, node, action;  // restart | reload | by hand
  std::vector<std::string> causes, endpoints;
};
BOOST_DESCRIBE_STRUCT(ServiceStep, (), (service, node, action, causes, endpoints))
struct ServicePlan {
  std::string hash;  // SHA-256, hex; of the steps and of what is owed; empty when nothing is
  std::vector<ServiceStep> steps;
  Findings findings;  // NOTHING_OWED
};
BOOST_DESCRIBE_STRUCT(ServicePlan, (), (hash, steps, findings))

struct ApplyRequest {
  std::optional<std::string> plan;  // hash: that plan or none
};
BOOST_DESCRIBE_STRUCT(ApplyRequest, (), (plan))

struct ApplyStep {
  std::string service, action;
  std::vector<std::string> causes;  // what it owed
  std::string outcome;              // proved (all causes, by handshakes) | done | rolled back |
                                    // failed | skipped
  std::string detail, remedy;
  std::vector<std::string> output;  // its last lines, where it failed
  std::vector<ServiceProof> proofs;
};
BOOST_DESCRIBE_STRUCT(ApplyStep, (),
                      (service, action, causes, outcome, detail, remedy, output, proofs))
struct ApplyAnswer {
  bool changed = false;
  std::string operation;
  bool ok = false;      // no step failed or was rolled back
  bool proved = false;  // every step was proved by handshakes
  std::vector<ApplyStep> steps;
  std::vector<std::string> rolled_back;  // purposes whose former identity is current again
  std::vector<std::string> left;         // services that the next start goes on with
  std::string receipt;                   // id; empty when there was nothing to do
  Findings findings;                     // of steps that failed
};
BOOST_DESCRIBE_STRUCT(ApplyAnswer, (),
                      (changed, operation, ok, proved, steps, rolled_back, left, receipt, findings))

// Verify: openssl dgst -sha256 -verify KEY -signature SIGNATURE DOCUMENT.
struct ReceiptRequest {
  std::optional<std::string> id;      // the latest by default
  std::optional<std::string> format;  // document (default; the octets that are signed) | signature
                                      // | certificate (of the key `appliance`)
};
BOOST_DESCRIBE_STRUCT(ReceiptRequest, (), (id, format))

}  // namespace signet::services::api
