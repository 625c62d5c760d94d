// How programs outside name a purpose's key and reach it.
#pragma once

#include <string>
#include <string_view>

namespace signet::services {

// RFC 7512 §2.3: the URI of the private key with this CKA_ID (hex) on the token that `token_uri`
// names, as the configuration has it.
std::string KeyUri(std::string_view token_uri, const std::string& key_id);

// The socket as p11-kit's client wants it (P11_KIT_SERVER_ADDRESS): "unix:path=/run/…", the path
// percent-encoded.
std::string KeyAddress(std::string_view socket);

}  // namespace signet::services
