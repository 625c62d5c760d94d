// Figures for Prometheus, in its text format.
#pragma once

#include <string>

#include "hsm/token_control.h"
#include "platform/error.h"
#include "services/control/control_center.h"

namespace signet::services {

// Pure. `use`: an error when signet-keyd could not be asked; then its counters are left out, which
// Prometheus shows as absent, never as zero.
std::string MetricsText(const hsm::TokenInfo& token, const Result<hsm::UseReport>& use,
                        const ControlFigures& control);

}  // namespace signet::services
