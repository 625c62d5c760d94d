#include "tests/support/ocsp_responder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <string_view>

#include "tests/support/loopback.h"

namespace signet::testing {

namespace {

// As an index of `openssl ca` writes times.
std::string Stamp(std::time_t time) {
  char text[32];
  std::tm parts{};
  std::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", ::gmtime_r(&time, &parts));
  return text + 2;
}

}  // namespace

OcspResponder::OcspResponder(const CertificateAuthority& ca, const std::string& issuer)
    : ca_(ca), issuer_(issuer) {
  WriteWhole(folder_ / "index.txt", "");
  Start();
}

void OcspResponder::Start() {
  program_ = std::make_unique<RunningProgram>(
      std::vector<std::string>{"openssl", "ocsp", "-index", folder_ / "index.txt", "-port", port_,
                               "-rsigner", ca_.File(issuer_), "-rkey", ca_.KeyFile(issuer_), "-CA",
                               ca_.File(issuer_), "-ndays", "30", "-ignore_err"});
  port_ = program_->Await("ACCEPT [^ ]*:([0-9]+)");
}

void OcspResponder::Revoke(const std::string& pem, const std::string& reason) {
  Put(pem, "R", Stamp(std::time(nullptr)) + "," + reason);
}

void OcspResponder::Put(const std::string& pem, const std::string& flag,
                        const std::string& revoked) {
  std::string serial = MustRun({"openssl", "x509", "-noout", "-serial"}, {pem, "", {}});
  serial = serial.substr(serial.find('=') + 1);
  serial = serial.substr(0, serial.find('\n'));
  constexpr std::time_t kYear = 365 * 86400;
  lines_[serial] = flag + "\t" + Stamp(std::time(nullptr) + kYear) + "\t" + revoked + "\t" +
                   serial + "\tunknown\t/CN=test\n";
  std::string index;
  for (const auto& [unused, line] : lines_) index += line;
  WriteWhole(folder_ / "index.new", index);
  // It tells files apart by number and by time in whole seconds, and numbers are given again.
  std::filesystem::last_write_time(
      std::filesystem::path(folder_ / "index.new"),
      std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++written_));
  std::filesystem::rename(folder_ / "index.new", folder_ / "index.txt");
  // It looks for another index behind each request, so the next answer would be an old one.
  if (program_ == nullptr) return;
  const int fd = ConnectTo(static_cast<std::uint16_t>(std::stoi(port_)));
  ASSERT_GE(fd, 0);
  constexpr std::string_view kPoke = "GET / HTTP/1.0\r\n\r\n";
  ASSERT_EQ(::write(fd, kPoke.data(), kPoke.size()), static_cast<ssize_t>(kPoke.size()));
  char rest[256];
  while (::read(fd, rest, sizeof rest) > 0) {
  }
  ::close(fd);
}

}  // namespace signet::testing
