// A generation of a service's folder, as its record describes it, and what takes its files. Types
// only.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"
#include "platform/json.h"

namespace signet::services {

// What could not be published, for people.
struct PublicationGap : LenientRecord {
  std::string id, text, certificate;
};
BOOST_DESCRIBE_STRUCT(PublicationGap, (LenientRecord), (id, text, certificate))

// A trust store in a generation.
struct PublishedStore : LenientRecord {
  std::string store;
  std::string digest;                                // of what it was made of
  bool pem = false, hashed = false, pkcs12 = false;  // have an entry
  std::vector<std::string> anchored;  // file names of anchors, and of what leads to one
  std::vector<PublicationGap> left_out;
};
BOOST_DESCRIBE_STRUCT(PublishedStore, (LenientRecord),
                      (store, digest, pem, hashed, pkcs12, anchored, left_out))

struct PublishedKey : LenientRecord {
  std::string purpose, key;  // CKA_ID, hex
};
BOOST_DESCRIBE_STRUCT(PublishedKey, (LenientRecord), (purpose, key))

// The file generation.json.
struct GenerationRecord : LenientRecord {
  std::string inputs;  // digest of all that it was made of
  std::string sums;    // SHA-256 of SHA256SUMS
  std::vector<PublishedKey> keys;
  std::vector<std::string> folders;
  std::vector<PublishedStore> stores;
};
BOOST_DESCRIBE_STRUCT(GenerationRecord, (LenientRecord), (inputs, sums, keys, folders, stores))

// A generation that is being written.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  // Where it will lie, absolute.
  virtual const std::string& folder() const = 0;
  // `name` is relative to the folder; one that ends with a slash is a folder alone.
  virtual Status Write(const std::string& name, std::string_view content) = 0;
  // Takes the files of a trust store over from the current generation, when they were made of the
  // same and are as they were written; none when they are not.
  virtual Result<std::optional<PublishedStore>> Reuse(const std::string& store,
                                                      const std::string& digest) = 0;
};

}  // namespace signet::services
