// The texts of mails, embedded from services/monitor/mails.
#pragma once

#include <span>
#include <string_view>

namespace signet::services {

struct EmbeddedMail {
  std::string_view name, text;
};
std::span<const EmbeddedMail> EmbeddedMails();

}  // namespace signet::services
