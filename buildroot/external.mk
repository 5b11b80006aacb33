include $(sort $(wildcard $(BR2_EXTERNAL_CELL_PATH)/package/*/*.mk))
