-- The health of Wegent's objects, by the rules of kstatus. Argo CD runs this for each object.
local health = {status = "Progressing", message = "Waiting for the operator"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions["Ready"], conditions["Stalled"]
if obj.metadata.deletionTimestamp ~= nil then
  local blocked = conditions["Deleted"]
  health.message = blocked ~= nil and blocked.message or "Being deleted"
elseif status.observedGeneration ~= obj.metadata.generation then
  return health
elseif stalled ~= nil and stalled.status == "True" then
  health.status, health.message = "Degraded", stalled.message
elseif ready ~= nil and ready.status ~= "True" then
  health.message = ready.message
elseif ready ~= nil and ready.reason == "Suspended" then
  health.status, health.message = "Suspended", ready.message
else
  health.status, health.message = "Healthy", ""
end
return health
