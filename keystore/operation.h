// A change in progress and its answer. Types only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "platform/error.h"

namespace signet::keystore {

// Named by its journal row. The work fills `detail`; it sets `leave_for_recovery` when it failed
// and could not clean up (the token or the disk went away), so that the row stays and recovery ends
// it.
struct Operation {
  std::string id;
  std::string actor;  // who asked for it
  std::string detail;
  bool leave_for_recovery = false;
};

// One of several identities that a change made.
struct MadeItem {
  std::string purpose;
  std::optional<std::string> csr;          // id, where it must be signed first
  std::optional<std::string> fingerprint;  // of the certificate now in place
  std::string pem;                         // of the CSR or certificate
};
BOOST_DESCRIBE_STRUCT(MadeItem, (), (purpose, csr, fingerprint, pem))

struct ChangeResult {
  bool changed = false;
  std::string operation;
  std::vector<std::string> restarts;  // services that must restart for it
  Findings findings;
  std::optional<std::string> csr;             // id, where one was made
  std::optional<std::string> pem;             // of the CSR or certificate that was made
  std::optional<std::string> fingerprint;     // of the certificate now in place
  std::vector<std::string> stored;            // fingerprints of trust entries stored
  std::optional<std::vector<MadeItem>> made;  // where it may be several
};
BOOST_DESCRIBE_STRUCT(ChangeResult, (),
                      (changed, operation, restarts, findings, csr, pem, fingerprint, stored, made))

// One step of a plan, for people and for the hash: "install certificate", a node (or the cluster),
// what it is about.
struct PlanStep {
  std::string what, node, target;
};
BOOST_DESCRIBE_STRUCT(PlanStep, (), (what, node, target))

// What a change would do (SPEC B2). `hash` covers the steps and the records that they rest on, not
// what time alone changes: a change that names it carries out exactly this or nothing.
struct PlanReport {
  std::string hash;  // SHA-256, hex
  std::vector<PlanStep> steps;
  Findings findings;
  std::optional<std::string> replaces;  // what stops being current
  std::vector<std::string> restarts;    // services
  std::vector<std::string> nodes;       // affected
};
BOOST_DESCRIBE_STRUCT(PlanReport, (), (hash, steps, findings, replaces, restarts, nodes))

}  // namespace signet::keystore
