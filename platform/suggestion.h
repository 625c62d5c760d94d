// What somebody may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace signet {

// "Did you mean 'list'? " when one of `known` is close to what was typed, else nothing.
std::string Suggestion(std::string_view typed, const std::vector<std::string>& known);

}  // namespace signet
