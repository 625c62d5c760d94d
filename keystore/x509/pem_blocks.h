// The blocks of a PEM text (RFC 7468, its "lax" form), found but not decoded. For this folder only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/secret.h"

namespace signet::keystore::x509 {

// What stands between a BEGIN line and its END line, or what a damaged one of these began.
struct PemBlock {
  std::size_t line = 0;       // of the BEGIN line, from 1
  std::string_view label;     // "CERTIFICATE"; empty when the BEGIN line is damaged
  std::string_view body;      // the lines between, as they came
  std::string_view fault;     // a sentence of a table; empty for a good block
  std::size_t last_line = 0;  // of the END line, or where the fault is
};

// The blocks in their order, explanations between them left out. Stops with the block `most` + 1,
// so that a caller sees that there are more. Linear; the views point into `text`.
std::vector<PemBlock> FindPemBlocks(std::string_view text, std::size_t most);

// The base64 of a block's body in one line, without what looks like headers and borders.
WipedString Base64Of(const PemBlock& block);

}  // namespace signet::keystore::x509
