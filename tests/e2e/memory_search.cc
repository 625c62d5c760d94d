#include "tests/e2e/memory_search.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace signet::testing {
namespace {

struct Region {
  std::uint64_t start = 0, end = 0;
  std::string line;
  bool guarded = false;
  bool written = true;  // a page of it is no longer the file's
};

std::vector<Region> Regions(pid_t pid) {
  std::vector<Region> regions;
  std::ifstream smaps("/proc/" + std::to_string(pid) + "/smaps");
  for (std::string line; std::getline(smaps, line);) {
    Region region;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &region.start, &region.end, access) == 3) {
      region.line = line;
      regions.push_back(region);
    } else if (line.starts_with("Private_Dirty:")) {
      regions.back().written = line.find(" 0 kB") == std::string::npos;
    } else if (line.starts_with("VmFlags:")) {
      regions.back().guarded = regions.back().line.find(" rw-p ") != std::string::npos &&
                               line.find(" lo ") != std::string::npos &&
                               line.find(" dd ") != std::string::npos;
    }
  }
  // What a package's library brought and nobody wrote to is no secret of ours: GnuTLS, behind
  // libcurl, has private keys for its self-test.
  std::erase_if(regions, [](const Region& region) {
    const bool of_package = !region.written &&
                            region.line.find(" /usr/lib/") != std::string::npos &&
                            region.line.find(" rw") == std::string::npos;
    return region.line.find(" r") == std::string::npos ||
           region.line.find("[v") != std::string::npos || of_package;
  });
  return regions;
}

}  // namespace

std::string Show(const std::vector<Hit>& hits) {
  std::string text;
  for (const Hit& hit : hits) text += hit.what + " in " + hit.where + "\n";
  return text;
}

void Search(std::string_view hay, const Needles& needles, const Hit& place,
            std::vector<Hit>& hits) {
  for (const auto& [what, needle] : needles) {
    for (std::size_t at = 0; (at = hay.find(needle, at)) != std::string_view::npos; ++at)
      hits.push_back({what, place.where, place.guarded});
  }
}

std::vector<Hit> SearchMemory(pid_t pid, const Needles& needles) {
  std::vector<Hit> hits;
  const int memory =
      ::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) {
    ADD_FAILURE() << "the daemon's memory cannot be read: " << std::strerror(errno);
    return hits;
  }
  std::size_t seen = 0;
  for (const Region& region : Regions(pid)) {
    if (region.end - region.start > (std::uint64_t{1} << 30)) continue;  // a sanitizer's shadow
    std::string piece(region.end - region.start, '\0');
    const ssize_t got =
        ::pread(memory, piece.data(), piece.size(), static_cast<off_t>(region.start));
    if (got <= 0) continue;
    seen += static_cast<std::size_t>(got);
    Search({piece.data(), static_cast<std::size_t>(got)}, needles,
           {"", region.line, region.guarded}, hits);
  }
  ::close(memory);
  EXPECT_GT(seen, 1u << 20);
  return hits;
}

Needles PinNeedles(const std::string& what, const std::string& pin) {
  EXPECT_GE(pin.size(), 32u);
  return {{what + " (first half)", pin.substr(0, 16)},
          {what + " (second half)", pin.substr(16, 16)}};
}

void ExpectGuardedOnly(const std::vector<Hit>& hits, std::size_t most) {
  std::size_t guarded = 0;
  for (const Hit& hit : hits) {
    EXPECT_TRUE(hit.guarded) << hit.what << " in " << hit.where;
    guarded += hit.guarded ? 1 : 0;
  }
  EXPECT_LE(guarded, most) << Show(hits);
}

}  // namespace signet::testing
