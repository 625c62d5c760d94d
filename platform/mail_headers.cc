#include "platform/mail_headers.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "platform/encoding.h"

namespace signet {
namespace {

constexpr std::size_t kMaxText = 240;
constexpr std::size_t kMaxPlain = 60;
// 52 characters of base64 and 12 around them: with "Auto-Submitted: " it would still be one line.
constexpr std::size_t kMaxWord = 39;

bool IsPlain(std::string_view text) {
  return text.size() <= kMaxPlain && text.find("=?") == std::string_view::npos &&
         (text.empty() || (text.front() != ' ' && text.back() != ' ')) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string MailHeaderText(std::string_view text) {
  const std::string safe = EscapeLine(text, kMaxText);  // valid UTF-8 from here on
  if (IsPlain(safe)) return safe;
  std::string value;
  for (std::string_view rest = safe; !rest.empty();) {
    std::size_t size = std::min(rest.size(), kMaxWord);
    while (size < rest.size() && IsContinuation(rest[size])) --size;
    if (!value.empty()) value += "\r\n ";
    value += "=?utf-8?B?" + Base64Encode(rest.substr(0, size)) + "?=";
    rest.remove_prefix(size);
  }
  return value;
}

std::string MailDate(WallTime time) {
  // The names of the standard, whatever the locale.
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d +0000",
                kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

}  // namespace signet
