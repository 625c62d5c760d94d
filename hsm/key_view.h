// What signetd tells signet-keyd: which keys services may see, under which purpose, with which
// certificates. A document that replaces the one before as a whole. Types only.
#pragma once

#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "platform/json.h"

namespace signet::hsm {

inline constexpr char kPreviousKey[] = "-previous";

struct ViewKey {
  std::string purpose;                // "tomcat"
  std::vector<std::string> services;  // of the catalogue, that use the purpose
  std::string
      label;         // CKA_LABEL that clients see: the purpose, "tomcat-previous" of the former key
  std::string id;    // CKA_ID, hex
  std::string spki;  // SubjectPublicKeyInfo, DER, base64
  std::vector<std::string> certificates;  // DER, base64: the key's own first, then its chain
};
BOOST_DESCRIBE_STRUCT(ViewKey, (), (purpose, services, label, id, spki, certificates))

struct KeyView {
  std::vector<ViewKey> keys;
};
BOOST_DESCRIBE_STRUCT(KeyView, (), (keys))

// Signatures that signet-keyd gave to its clients, and those that the token made.
struct UseRow {
  std::string purpose;  // empty: a key of no purpose yet
  std::string key;      // CKA_ID, hex
  std::int64_t uid = 0;
  std::string mechanism;  // "CKM_ECDSA"
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(UseRow, (), (purpose, key, uid, mechanism, count))

struct UseReport {
  std::vector<UseRow> rows;
  // Every C_Sign that the module answered with success since the start is one of these.
  std::int64_t made = 0;         // by the module
  std::int64_t proofs = 0;       // own: keys taken up
  std::int64_t undelivered = 0;  // refused after verification, or nobody waited any more
};
BOOST_DESCRIBE_STRUCT(UseReport, (), (rows, made, proofs, undelivered))

}  // namespace signet::hsm
