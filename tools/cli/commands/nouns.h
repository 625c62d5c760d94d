// The nouns of the command line. Each adds the rows of its commands, in the order in which the help
// shows them.
#pragma once

#include <vector>

#include "tools/cli/command.h"

namespace signet::tools {

void AddStatus(std::vector<Command>& table);
void AddCertificates(std::vector<Command>& table);
void AddCsrs(std::vector<Command>& table);
void AddTrust(std::vector<Command>& table);
void AddImport(std::vector<Command>& table);
void AddServices(std::vector<Command>& table);
void AddSettings(std::vector<Command>& table);
void AddMonitor(std::vector<Command>& table);
void AddLscs(std::vector<Command>& table);
void AddToken(std::vector<Command>& table);
void AddKeys(std::vector<Command>& table);
void AddEvents(std::vector<Command>& table);
void AddAudit(std::vector<Command>& table);
void AddChain(std::vector<Command>& table);
void AddConnections(std::vector<Command>& table);
void AddRevocation(std::vector<Command>& table);
void AddRpc(std::vector<Command>& table);
void AddCompletion(std::vector<Command>& table);

}  // namespace signet::tools
