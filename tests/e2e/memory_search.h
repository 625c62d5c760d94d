// Looks for texts in the memory of other processes; only root, or their own user, may.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet::testing {

// Texts to look for, by what they are.
using Needles = std::vector<std::pair<std::string, std::string>>;

struct Hit {
  std::string what;
  std::string where;
  bool guarded = false;  // in memory that is locked and left out of dumps
};

std::string Show(const std::vector<Hit>& hits);

// Adds to `hits`, each with `place`.
void Search(std::string_view hay, const Needles& needles, const Hit& place, std::vector<Hit>& hits);

// Every readable page of the process, but those of installed libraries that nobody wrote to.
std::vector<Hit> SearchMemory(pid_t pid, const Needles& needles);

// Halves of a PIN of 32 octets: a freed block of the allocator's loses its first 16 octets only.
Needles PinNeedles(const std::string& what, const std::string& pin);

// At most `most` guarded copies, and nothing outside guarded memory.
void ExpectGuardedOnly(const std::vector<Hit>& hits, std::size_t most);

// One Secret for logging in again when the token came back: two halves.
inline constexpr std::size_t kOneCopy = 2;

}  // namespace signet::testing
