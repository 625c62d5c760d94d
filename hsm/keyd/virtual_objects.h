// What services see: keys and certificates as objects that exist in no token, made from the view
// that signetd gives (key_view.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hsm/key_types.h"
#include "hsm/key_view.h"
#include "hsm/wire/message.h"
#include "platform/error.h"

namespace signet::hsm {

// One object. Handles are this number, mixed with something of the connection's own.
struct VirtualObject {
  std::uint64_t number = 0;  // of what the object is, so the same in every view that has it
  std::size_t key = 0;       // index of the key it belongs to
  bool is_private = false;   // may sign
  std::vector<wire::Attribute> attributes;
  // Of a key: the label that it had, or will have, as its purpose's current or previous one. Who
  // names its CKA_ID finds it by this label, too: libp11 looks for the keys that it knows by both,
  // in each process that was forked since, and a renewal may lie between.
  std::string other_label = {};

  const std::string* Find(CK_ATTRIBUTE_TYPE type) const;
  bool Matches(const std::vector<wire::Attribute>& match) const;
};

struct VirtualKey {
  std::string purpose;
  std::vector<std::string> services;  // of the catalogue
  KeyId id;
  KeySpec spec;
};

// Immutable; shared by all connections.
struct VirtualObjects {
  std::vector<VirtualKey> keys;
  std::vector<VirtualObject> objects;
  std::uint64_t version = 0;
};

// kRefused VIEW_INVALID, with what is wrong: a key or certificate that does not decode, a
// certificate of another key, more than 1000 keys, two keys with one id.
Result<std::shared_ptr<const VirtualObjects>> MakeVirtualObjects(const KeyView& view,
                                                                 std::uint64_t version);

}  // namespace signet::hsm
