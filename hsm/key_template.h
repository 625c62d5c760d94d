// What a key pair must be like, as data: the template it is made with, and what is read back from
// it (PKCS#11 v2.40 §4.8, §4.9, common attributes; SPEC C1).
#pragma once

#include "hsm/key_types.h"
#include "hsm/objects.h"

namespace signet::hsm {

struct KeyPairTemplate {
  CK_MECHANISM_TYPE mechanism;
  Template public_part;
  Template private_part;
};

// kUsage KEY_SPEC_INVALID for a size that is not in the list.
Result<KeyPairTemplate> MakeKeyPairTemplate(const std::string& label, const KeySpec& spec,
                                            KeyPolicy policy);

// Reads the attributes back. kTokenFailed KEY_ATTRIBUTES_WRONG names the first one that is not as
// it was asked for.
Status CheckKeyAttributes(Session& session, CK_OBJECT_HANDLE private_key, KeyPolicy policy);

}  // namespace signet::hsm
