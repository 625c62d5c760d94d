// Where the PIN and the token's module are on a machine whose PIN a person types: in signet-keyd.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/e2e/memory_search.h"
#include "tests/e2e/served_world.h"
#include "tests/support/handshake.h"

namespace signet::testing {
namespace {

// On a terminal of its own; what it reads on standard input it types when it is asked for a PIN.
constexpr char kTypist[] = R"(
import os, pty, sys
pin = sys.stdin.buffer.read()
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'PIN' not in seen:
    seen += os.read(terminal, 1024)
os.write(terminal, pin + b'\n')
try:
    while os.read(terminal, 1024):
        pass
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
)";

// Which of them have a file open, or mapped, that `lsof` shows with this text in its name.
std::vector<pid_t> WhoHas(const std::string& text, const std::vector<pid_t>& processes) {
  std::vector<pid_t> who;
  for (const pid_t pid : processes) {
    // It warns of what it cannot look at, and its exit code says so, too.
    const Outcome listed = RunProgram({"lsof", "-n", "-P", "-w", "-p", std::to_string(pid)});
    EXPECT_NE(listed.out.find("txt"), std::string::npos) << "lsof does not see " << pid;
    if (listed.out.find(text) != std::string::npos) who.push_back(pid);
  }
  return who;
}

TEST(ServedUnlock, ThePinThatWasTypedInAndTheTokenAreInSignetKeydAlone) {
  if (const std::string why_not = ServedWorld::WhyNot(); !why_not.empty()) GTEST_SKIP() << why_not;
  const ServedRow& row = kServedRows[0];
  if (const std::string why_not = ServedServer::WhyNot(row.kind); !why_not.empty())
    GTEST_SKIP() << why_not;
  ServedWorld world(ServedWorld::Pin::kTyped);
  Appliance& appliance = world.appliance();
  appliance.Start();
  ASSERT_TRUE(appliance.WaitState("locked", Seconds(10)));

  // The server has its key from before; it signs from the moment on that the PIN is there.
  const auto server = world.Server(row, ServedWorld::Purposes(row));
  server->Start();
  EXPECT_NE(TlsClient().Shake(server->port()).error, "");
  const Outcome typed =
      RunProgram({"/usr/bin/python3", "-c", kTypist, appliance.CliProgram(), "token", "unlock"},
                 {appliance.Pin(), "", {{"SIGNET_SOCKET", appliance.socket()}}});
  EXPECT_EQ(typed.code, 0) << typed.out << typed.err;
  ASSERT_TRUE(appliance.WaitReady());
  EXPECT_EQ(TlsClient({.ask = true}).Shake(server->port()).error, "");
  world.Generate(row.ec);

  std::vector<pid_t> processes = server->Processes();
  processes.push_back(appliance.pid());
  const pid_t keyd = appliance.keyd();
  const Needles pin = PinNeedles("PIN", appliance.Pin());
  for (const pid_t pid : processes) EXPECT_EQ(Show(SearchMemory(pid, pin)), "") << pid;
  const std::vector<Hit> hits = SearchMemory(keyd, pin);
  EXPECT_FALSE(hits.empty());
  ExpectGuardedOnly(hits, kOneCopy);
  processes.push_back(keyd);
  EXPECT_EQ(WhoHas("libsofthsm2.so", processes), std::vector<pid_t>{keyd});
  for (const pid_t pid : WhoHas(appliance.Path("token"), processes)) EXPECT_EQ(pid, keyd);
  // Nor is it in a file: the one from which it was typed lies in the folder.
  std::filesystem::remove(appliance.Path("pin"));
  EXPECT_EQ(RunProgram({"grep", "-rqF", pin[0].second, appliance.folder()}).code, 1);
  EXPECT_EQ(ReadWhole(appliance.log_file()).find(pin[0].second), std::string::npos);
}

}  // namespace
}  // namespace signet::testing
