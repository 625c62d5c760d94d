// What a process says to the service manager that started it, and what that keeps for it: systemd's
// protocol is a datagram (sd_notify(3)) and three variables (sd_listen_fds(3)), meant to be spoken
// without libsystemd, which would bring compression and cryptography libraries into the process
// that holds the PIN.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace signet {

// Whether somebody listens: $NOTIFY_SOCKET is set.
bool HasServiceManager();
// "READY=1", "FDSTORE=1\nFDNAME=…" with a descriptor, … Without a service manager nothing happens;
// one that does not take it is no reason to fail.
void NotifyServiceManager(std::string_view state, int descriptor = -1);
// What it passed on to this process, with names ($LISTEN_FDNAMES), closed on exec from now on.
// Once: the variables are removed.
std::vector<std::pair<std::string, int>> TakeInheritedDescriptors();

}  // namespace signet
