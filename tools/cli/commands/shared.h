// Arguments, options and columns that commands of several nouns share.
#pragma once

#include <string_view>
#include <vector>

#include "tools/cli/command.h"

namespace signet::tools {

inline const Argument kPurpose{"PURPOSE", "purpose", "for example tomcat or cup-xmpp-ECDSA"};
inline const Argument kStore{"STORE", "store", "trust store, for example tomcat-trust"};
inline const Option kService{"--service", "service", "NAME",
                             "of several in the configuration, this one ([service.NAME])"};
inline const Option kHash{"--hash",
                          "hash",
                          "HASH",
                          "default sha256; P-384 sha384, P-521 sha512",
                          Option::Type::kText,
                          "sha256 sha384 sha512"};

// What a change answers, one line a member.
inline const std::vector<Column> kChange = {{"changed", "changed"},
                                            {"operation", "operation"},
                                            {"csr", "csr"},
                                            {"fingerprint", "fingerprint"},
                                            {"stored", "stored", Column::As::kDigest},
                                            {"restarts", "restart"}};

// Key, names and subject of a CSR or of a self-signed certificate.
std::vector<Option> NameOptions(bool self_signed);

// Of each change that can be planned (SPEC B2), behind its own options.
std::vector<Option> Plannable(std::vector<Option> options);

// The same, where findings can be overridden.
std::vector<Option> Forcible(std::vector<Option> options);

// --format of a download.
Option Format(std::string_view choices);

}  // namespace signet::tools
